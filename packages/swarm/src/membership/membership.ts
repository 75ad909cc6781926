import { readFile, rename, writeFile } from 'node:fs/promises'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import { decodeAdmissionAnswer, encodeAdmissionRequest } from './admission-messages.ts'
import { type Certificate, verifyCertificate } from './certificate.ts'
import type { JoinToken } from './join-token.ts'

const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 15_000
/** A registry that says no is not asked again soon: only its operator can change its mind. */
const REFUSED_RETRY_MS = 30_000
/** How often the tie to the registry is looked at while it holds. */
const CHECK_MS = 1_000

/** How far an agent is with its admission. */
export type MembershipState =
  | { readonly state: 'admitted' }
  | { readonly state: 'waiting'; readonly reason: string }
  | { readonly state: 'refused'; readonly reason: string }

/** What a membership needs. */
export interface MembershipInit {
  readonly token: JoinToken
  readonly peerId: string
  readonly zone: string
  /** Where the certificate is kept, so that a restart needs no registry. */
  readonly file: string
  readonly clock: Clock
  /** Milliseconds since the epoch. */
  readonly wallClock: () => number
  readonly logger: Logger
  /** Whether there is a link with the registry. */
  readonly isLinked: () => boolean
  /** Sends an encoded request to the registry, whose peer id is proved, and resolves with its answer. */
  readonly ask: (message: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>
  /** Opens a link with the registry. */
  readonly link: (signal: AbortSignal) => Promise<void>
  /** There is a certificate to show; `neighbours` are members to connect to. */
  readonly admitted: (neighbours: readonly PeerAddress[]) => void
}

/** Keeps an agent a member: shows the join token, keeps and renews the certificate, keeps the link with the registry. */
export class Membership {
  readonly #init: MembershipInit
  readonly #controller = new AbortController()
  #bytes: Uint8Array | undefined
  #certificate: Certificate | undefined
  #state: MembershipState = { state: 'waiting', reason: 'not asked yet' }
  #running: Promise<void> = Promise.resolve()

  constructor(init: MembershipInit) {
    this.#init = init
  }

  /** The encoded certificate; undefined before admission. */
  get certificate(): Uint8Array | undefined {
    return this.#bytes
  }

  /** The zone that the certificate names, which is what peers go by. */
  get zone(): string {
    return this.#certificate?.zone ?? this.#init.zone
  }

  get state(): MembershipState {
    return this.#state
  }

  async start(): Promise<void> {
    await this.#load()
    this.#running = this.#run()
  }

  async stop(): Promise<void> {
    this.#controller.abort(new Error('this node is stopping'))
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    for (let retry = FIRST_RETRY_MS; !signal.aborted; ) {
      try {
        if (this.#needsRenewal()) await this.#apply(signal)
        if (this.#state.state === 'admitted' && !this.#init.isLinked()) await this.#init.link(signal)
        retry = FIRST_RETRY_MS
        await this.#pause(this.#state.state === 'refused' ? REFUSED_RETRY_MS : CHECK_MS)
      } catch (error) {
        if (signal.aborted) return
        this.#note(error)
        await this.#pause(retry)
        retry = Math.min(MAX_RETRY_MS, retry * 2)
      }
    }
  }

  #note(error: unknown): void {
    const reason = error instanceof Error ? error.message : String(error)
    this.#init.logger.debug({ error }, 'the registry cannot be reached')
    if (this.#certificate === undefined) this.#state = { state: 'waiting', reason }
  }

  #pause(ms: number): Promise<void> {
    const { signal } = this.#controller
    if (signal.aborted) return Promise.resolve()
    const { promise, resolve } = Promise.withResolvers<void>()
    const wake = () => resolve()
    const cancel = this.#init.clock.after(ms, wake)
    signal.addEventListener('abort', wake)
    return promise.finally(() => {
      cancel()
      signal.removeEventListener('abort', wake)
    })
  }

  #needsRenewal(): boolean {
    if (this.#certificate === undefined) return true
    const { issuedAtMs, expiresAtMs, zone } = this.#certificate
    // The node has been moved since: its peers go by the certificate.
    if (zone !== this.#init.zone) return true
    return this.#init.wallClock() > (issuedAtMs + expiresAtMs) / 2
  }

  async #apply(signal: AbortSignal): Promise<void> {
    const { token, zone, logger } = this.#init
    const message = encodeAdmissionRequest({ secret: token.secret, zone })
    const answer = decodeAdmissionAnswer(await this.#init.ask(message, signal))
    if (!answer.admitted) {
      if (this.#state.state !== 'refused') logger.error({ reason: answer.reason }, 'the registry refused this node')
      this.#state = { state: 'refused', reason: answer.reason }
      return
    }
    this.#take(answer.certificate)
    await this.#save(answer.certificate)
    logger.info({ neighbours: answer.neighbours.length }, 'admitted to the mesh')
    this.#init.admitted(answer.neighbours)
  }

  #take(bytes: Uint8Array): void {
    const { token, peerId, wallClock } = this.#init
    this.#certificate = verifyCertificate(bytes, { authority: token.authority, peerId, nowMs: wallClock() })
    this.#bytes = bytes
    this.#state = { state: 'admitted' }
  }

  async #load(): Promise<void> {
    try {
      this.#take(await readFile(this.#init.file))
    } catch (error) {
      this.#init.logger.debug({ error }, 'no certificate from an earlier run')
      return
    }
    this.#init.admitted([])
  }

  async #save(bytes: Uint8Array): Promise<void> {
    const { file, logger } = this.#init
    try {
      await writeFile(`${file}.new`, bytes, { mode: 0o600 })
      await rename(`${file}.new`, file)
    } catch (error) {
      logger.warn({ error, file }, 'cannot keep the certificate; after a restart the registry must be there')
    }
  }
}
