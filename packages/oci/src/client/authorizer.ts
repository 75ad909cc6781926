import { isRecord } from '../descriptor.ts'
import { OciError } from '../errors.ts'
import { type Challenge, parseChallenge } from './challenge.ts'
import { type Http, readBody } from './http.ts'

const MAX_TOKEN_ANSWER_BYTES = 256 * 1024
/** Tokens without a stated life are good for this long (Distribution token specification). */
const DEFAULT_LIFETIME_MS = 60_000
/** A token is not used in the last part of its life. */
const LEEWAY_MS = 5_000
const MAX_TOKENS = 1_000

/** A user and what proves it. */
export interface Credentials {
  readonly username: string
  readonly password: string
}

/**
 * Answers a registry's challenges: Basic, or a Bearer token fetched from where the challenge says and kept for its
 * life, one for each scope (Distribution token specification).
 */
export class Authorizer {
  readonly #http: Http
  readonly #credentials: Credentials | undefined
  readonly #now: () => number
  readonly #headers = new Map<string, { header: string; until: number }>()

  constructor(http: Http, credentials: Credentials | undefined, now: () => number) {
    this.#http = http
    this.#credentials = credentials
    this.#now = now
  }

  /** The header that answered an earlier challenge for this scope. */
  header(scope: string): string | undefined {
    const known = this.#headers.get(scope)
    return known !== undefined && known.until > this.#now() ? known.header : undefined
  }

  /**
   * Meets the challenge of a 401.
   *
   * @returns the header to try again with; undefined when there is nothing to try
   * @throws OciError `UNAUTHORIZED` when the token server refuses, RegistryUnreachableError
   */
  async answer(scope: string, wwwAuthenticate: string | undefined, signal?: AbortSignal): Promise<string | undefined> {
    const challenge = parseChallenge(wwwAuthenticate)
    if (challenge === undefined) return undefined
    if (challenge.scheme === 'basic') {
      const header = this.#basic()
      return header && this.#keep(scope, header, Number.POSITIVE_INFINITY)
    }
    return this.#fetchToken(scope, challenge, signal)
  }

  #basic(): string | undefined {
    const credentials = this.#credentials
    if (credentials === undefined) return undefined
    return `Basic ${Buffer.from(`${credentials.username}:${credentials.password}`).toString('base64')}`
  }

  #keep(scope: string, header: string, until: number): string {
    const oldest = this.#headers.keys().next().value
    if (this.#headers.size >= MAX_TOKENS && oldest !== undefined) this.#headers.delete(oldest)
    this.#headers.set(scope, { header, until })
    return header
  }

  async #fetchToken(scope: string, challenge: Challenge, signal?: AbortSignal): Promise<string | undefined> {
    const { realm, service, scope: asked } = challenge.parameters
    if (realm === undefined || !URL.canParse(realm)) return undefined
    const url = new URL(realm)
    if (service !== undefined) url.searchParams.set('service', service)
    const wanted = asked ?? scope
    if (wanted !== '') url.searchParams.set('scope', wanted)
    const basic = this.#basic()
    const headers = basic === undefined ? {} : { authorization: basic }
    const answer = await this.#http.send({ method: 'GET', url, headers, signal })
    const bytes = await readBody(answer, MAX_TOKEN_ANSWER_BYTES)
    if (answer.status !== 200) {
      throw new OciError(
        'UNAUTHORIZED',
        `${url.host} gives no token for ${wanted} (status ${answer.status}); check the credentials`
      )
    }
    const { token, lifetimeMs } = readToken(bytes, url.host)
    return this.#keep(scope, `Bearer ${token}`, this.#now() + lifetimeMs - LEEWAY_MS)
  }
}

function readToken(bytes: Buffer, host: string): { token: string; lifetimeMs: number } {
  let body: unknown
  try {
    body = JSON.parse(bytes.toString('utf8'))
  } catch (cause) {
    throw new OciError('UNAUTHORIZED', `the token answer of ${host} is not JSON`, { cause })
  }
  const token = isRecord(body) ? (body.token ?? body.access_token) : undefined
  if (!isRecord(body) || typeof token !== 'string') {
    throw new OciError('UNAUTHORIZED', `the token answer of ${host} has no token`)
  }
  const seconds = body.expires_in
  return { token, lifetimeMs: typeof seconds === 'number' && seconds > 0 ? seconds * 1000 : DEFAULT_LIFETIME_MS }
}
