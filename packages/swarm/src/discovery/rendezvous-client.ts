import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import { decodeRendezvousAnswer, encodeRendezvousRequest, MAX_RENDEZVOUS_DIGESTS } from './rendezvous-messages.ts'

/**
 * What is wanted within this time travels in one message, so that an image is one message. It is also the time in which
 * connected peers, which need no rendezvous, have been asked.
 */
export const BATCH_MS = 20
/** The same for what is held, or not any more: nobody waits for that, and whoever fetches a blob is known already. */
export const HOLDINGS_BATCH_MS = 200
/** An answer is good for this long; a blob asked for again sooner is not asked for again. */
export const FRESH_MS = 5_000
const MAX_WAITING = 100_000

/** What a client needs. */
export interface RendezvousClientInit {
  readonly clock: Clock
  readonly logger: Logger
  /** Sends an encoded request to the registry and resolves with its answer; undefined when there is no link. */
  readonly ask: (message: Uint8Array) => Promise<Uint8Array> | undefined
}

/** An agent's side of the rendezvous: what it wants, has and has no more, in few messages. */
export class RendezvousClient {
  readonly #init: RendezvousClientInit
  readonly #want = new Map<Digest, PromiseWithResolvers<readonly PeerAddress[]>>()
  readonly #fresh = new Map<Digest, { at: number; peers: Promise<readonly PeerAddress[]> }>()
  readonly #have = new Set<Digest>()
  readonly #gone = new Set<Digest>()
  /** When the next message goes out; undefined when there is nothing to say. */
  #flushAt: number | undefined

  constructor(init: RendezvousClientInit) {
    this.#init = init
  }

  /** Blobs that the registry is to be asked for, or told of. */
  get waiting(): number {
    return this.#want.size + this.#have.size + this.#gone.size
  }

  /** Peers that have a blob or are fetching it; none when the registry cannot be asked. Never rejects. */
  find(digest: Digest): Promise<readonly PeerAddress[]> {
    const now = this.#init.clock.now()
    const known = this.#fresh.get(digest)
    if (known !== undefined && now - known.at < FRESH_MS) return known.peers
    const waiting = Promise.withResolvers<readonly PeerAddress[]>()
    this.#want.set(digest, waiting)
    for (const [old, { at }] of this.#fresh) if (now - at >= FRESH_MS) this.#fresh.delete(old)
    this.#fresh.set(digest, { at: now, peers: waiting.promise })
    this.#schedule(BATCH_MS)
    return waiting.promise
  }

  /** Tells the registry that we hold a blob. */
  have(digest: Digest): void {
    this.#gone.delete(digest)
    if (this.#have.size < MAX_WAITING) this.#have.add(digest)
    this.#schedule(HOLDINGS_BATCH_MS)
  }

  /** Tells the registry that we hold a blob no more. */
  gone(digest: Digest): void {
    this.#have.delete(digest)
    if (this.#gone.size < MAX_WAITING) this.#gone.add(digest)
    this.#schedule(HOLDINGS_BATCH_MS)
  }

  #schedule(delayMs: number): void {
    const at = this.#init.clock.now() + delayMs
    if (this.#flushAt !== undefined && this.#flushAt <= at) return
    this.#flushAt = at
    this.#init.clock.after(delayMs, () => {
      if (this.#flushAt === at) void this.#flush()
    })
  }

  async #flush(): Promise<void> {
    this.#flushAt = undefined
    const want = [...this.#want].slice(0, MAX_RENDEZVOUS_DIGESTS)
    const have = [...this.#have].slice(0, MAX_RENDEZVOUS_DIGESTS)
    const gone = [...this.#gone].slice(0, MAX_RENDEZVOUS_DIGESTS)
    for (const [digest] of want) this.#want.delete(digest)
    for (const digest of have) this.#have.delete(digest)
    for (const digest of gone) this.#gone.delete(digest)
    if (want.length + have.length + gone.length === 0) return
    try {
      const message = encodeRendezvousRequest({ want: want.map(([digest]) => digest), have, gone })
      const answer = await this.#init.ask(message)
      const peers = answer === undefined ? [] : decodeRendezvousAnswer(answer).peers
      want.forEach(([, { resolve }], i) => {
        resolve(peers[i] ?? [])
      })
    } catch (error) {
      // What we hold is told again with the next link to the registry.
      this.#init.logger.debug({ error }, 'the registry’s rendezvous did not answer')
      for (const [digest, { resolve }] of want) {
        this.#fresh.delete(digest)
        resolve([])
      }
    }
    if (this.#want.size + this.#have.size + this.#gone.size > 0) this.#schedule(BATCH_MS)
  }
}
