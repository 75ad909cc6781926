import { createHash, timingSafeEqual } from 'node:crypto'
import { OciError } from '@shoal/oci'
import type { Role, TokenIssuer } from './token.ts'

/** The one account there is. */
export const ADMIN_USER = 'admin'
/** Named in challenges; clients show it when they ask for a password. */
export const REALM = 'shoal'

/** What a caller without credentials may do; `push` implies `pull`. */
export type Anonymous = 'none' | 'pull' | 'push'
/** What a request needs. Deleting is `push`: whoever may overwrite a tag may as well remove it. */
export type Permission = 'pull' | 'push'

/** What access is decided by. */
export interface AccessInit {
  readonly anonymous: Anonymous
  readonly adminPassword: string
  readonly tokens: TokenIssuer
}

/**
 * Decides who may do what. A caller shows a password (`Basic`) or a token that was given for one (`Bearer`), or
 * nothing.
 */
export class Access {
  readonly anonymous: Anonymous
  readonly #password: Buffer
  readonly #tokens: TokenIssuer

  constructor(init: AccessInit) {
    this.anonymous = init.anonymous
    this.#password = fingerprint(init.adminPassword)
    this.#tokens = init.tokens
  }

  /**
   * Who sends a request with this `Authorization` header.
   *
   * @throws OciError `UNAUTHORIZED` when the credentials are wrong: they do not make an anonymous caller
   */
  role(authorization: string | undefined): Role {
    if (authorization === undefined) return 'anonymous'
    const [scheme = '', value = ''] = authorization.split(' ')
    if (scheme.toLowerCase() === 'basic') return this.#basic(value)
    const role = scheme.toLowerCase() === 'bearer' ? this.#tokens.role(value) : undefined
    if (role === undefined)
      throw new OciError('UNAUTHORIZED', 'the token is not valid or has expired: ask for a new one')
    return role
  }

  /** @throws OciError `UNAUTHORIZED` */
  check(authorization: string | undefined, permission: Permission): void {
    if (this.role(authorization) === 'admin' || this.anonymousMay(permission)) return
    throw new OciError('UNAUTHORIZED', `to ${permission}, log in as ${ADMIN_USER}`)
  }

  /** Why the sender of a request with this header may not do what only the administrator may; undefined if he may. */
  denyUnlessAdmin(authorization: string | undefined): OciError | undefined {
    try {
      if (this.role(authorization) === 'admin') return undefined
      return new OciError('UNAUTHORIZED', `log in as ${ADMIN_USER}`)
    } catch (error) {
      if (error instanceof OciError) return error
      throw error
    }
  }

  anonymousMay(permission: Permission): boolean {
    return this.anonymous === 'push' || this.anonymous === permission
  }

  #basic(value: string): Role {
    const text = Buffer.from(value, 'base64').toString('utf8')
    // containers/image sends an empty name and password where it has none.
    if (text === ':') return 'anonymous'
    const colon = text.indexOf(':')
    const isPassword = timingSafeEqual(fingerprint(text.slice(colon + 1)), this.#password)
    if (isPassword && text.slice(0, colon) === ADMIN_USER) return 'admin'
    throw new OciError('UNAUTHORIZED', 'the user name or the password is wrong')
  }
}

/** Of one length for any text, so that comparing takes one time. */
function fingerprint(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
