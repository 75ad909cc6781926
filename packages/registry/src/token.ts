import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Who a caller is. */
export type Role = 'admin' | 'anonymous'

/** How long a token is good for. */
export const TOKEN_SECONDS = 300
const KEY_BYTES = 32

/**
 * Gives out and reads the tokens that stand for a password for some minutes. They are opaque to clients, and good for
 * this process only: a client asks for a new one when its token is refused.
 */
export class TokenIssuer {
  readonly #key = randomBytes(KEY_BYTES)
  readonly #now: () => number

  /** @param now milliseconds since 1970 */
  constructor(now: () => number) {
    this.#now = now
  }

  issue(role: Role): string {
    const claim = `${role}.${this.#now() + TOKEN_SECONDS * 1000}`
    return `${claim}.${this.#sign(claim).toString('base64url')}`
  }

  /** Whom a token was given to; undefined when it is not ours or has expired. */
  role(token: string): Role | undefined {
    const [role, expires, signature] = token.split('.')
    if ((role !== 'admin' && role !== 'anonymous') || expires === undefined || signature === undefined) return undefined
    const given = Buffer.from(signature, 'base64url')
    const right = this.#sign(`${role}.${expires}`)
    if (given.length !== right.length || !timingSafeEqual(given, right)) return undefined
    return Number(expires) > this.#now() ? role : undefined
  }

  #sign(claim: string): Buffer {
    return createHmac('sha256', this.#key).update(claim).digest()
  }
}
