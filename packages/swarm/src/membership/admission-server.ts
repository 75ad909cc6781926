import type { PeerAddress } from '../exchange/frame.ts'
import type { Identity } from '../identity.ts'
import type { Logger } from '../logger.ts'
import { type AdmissionAnswer, decodeAdmissionRequest, encodeAdmissionAnswer } from './admission-messages.ts'
import { type Role, signCertificate } from './certificate.ts'
import { type JoinToken, sameSecret } from './join-token.ts'

/** How long a certificate is good for. Renewed at half of it. */
export const CERTIFICATE_LIFETIME_MS = 7 * 24 * 3_600_000
/** Members that a newly admitted one is told of. */
export const NEIGHBOURS_TOLD = 24

/** Refusals are written into the log once in this time: whoever can reach the registry can have himself refused. */
export const REFUSALS_LOG_MS = 60_000

/** What the registry needs to admit nodes. */
export interface AdmissionServerInit {
  readonly identity: Identity
  readonly token: JoinToken
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number
  /** Members that can be dialled, but not this one, in random order. */
  readonly members: (except: string, zone: string) => readonly PeerAddress[]
  readonly logger: Logger
  /** Counts what became of a request. */
  readonly count: (result: 'admitted' | 'refused') => void
}

/** Admits whoever shows the join token. */
export class AdmissionServer {
  readonly #init: AdmissionServerInit
  #refusals = 0
  #loggedAt = Number.NEGATIVE_INFINITY
  #own: { readonly issuedAt: number; readonly certificate: Uint8Array } | undefined

  constructor(init: AdmissionServerInit) {
    this.#init = init
  }

  /** The registry's own certificate, made anew when half of its time is over: a registry may run for years. */
  own(zone: string): Uint8Array {
    const now = this.#init.wallClock()
    if (this.#own === undefined || now - this.#own.issuedAt >= CERTIFICATE_LIFETIME_MS / 2) {
      this.#own = { issuedAt: now, certificate: this.issue(this.#init.identity.peerId, 'registry', zone) }
    }
    return this.#own.certificate
  }

  /** A certificate for `peerId`, signed by this registry. */
  issue(peerId: string, role: Role, zone: string): Uint8Array {
    const issuedAtMs = this.#init.wallClock()
    const expiresAtMs = issuedAtMs + CERTIFICATE_LIFETIME_MS
    const certificate = { peerId, role, scopes: ['*'], zone, issuedAtMs, expiresAtMs }
    return signCertificate(certificate, this.#init.identity.privateKey)
  }

  /**
   * Answers the encoded request of a peer whose id the connection has proved.
   *
   * @throws WireError when it is not a request
   */
  answer(peerId: string, message: Uint8Array): Uint8Array {
    const request = decodeAdmissionRequest(message)
    return encodeAdmissionAnswer(this.#decide(peerId, request.secret, request.zone))
  }

  #decide(peerId: string, secret: Uint8Array, zone: string): AdmissionAnswer {
    if (!sameSecret(secret, this.#init.token.secret)) {
      this.#init.count('refused')
      this.#logRefusal(peerId)
      return { admitted: false, reason: 'the join token is not the one of this registry' }
    }
    this.#init.count('admitted')
    this.#init.logger.info({ peer: peerId, zone }, 'admitted a node')
    const neighbours = this.#init.members(peerId, zone).slice(0, NEIGHBOURS_TOLD)
    return { admitted: true, certificate: this.issue(peerId, 'agent', zone), neighbours }
  }

  #logRefusal(peerId: string): void {
    const now = this.#init.wallClock()
    this.#refusals++
    if (now - this.#loggedAt < REFUSALS_LOG_MS) return
    const refusals = this.#refusals
    this.#loggedAt = now
    this.#refusals = 0
    this.#init.logger.warn({ peer: peerId, refusals }, 'refused a node with a wrong join token')
  }
}
