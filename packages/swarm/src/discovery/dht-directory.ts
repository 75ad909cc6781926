import type { ContentRouting, PeerId } from '@libp2p/interface'
import { type Digest, isDigest } from '@shoal/oci'
import type { CID } from 'multiformats/cid'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import type { SwarmMetrics } from '../swarm-metrics.ts'
import { contentKey, digestOfKey } from './content-key.ts'

/** A lookup ends after this time, whatever it has found. */
export const FIND_TIMEOUT_MS = 2_000
/** A lookup ends when it has found this many providers: the rest of the walk costs as much as a miss. */
export const ENOUGH_PROVIDERS = 8
/** A record that is not told to enough peers in this time has failed. */
export const PROVIDE_TIMEOUT_MS = 30_000
/** Records waiting to be told; what comes beyond that is dropped and counted. */
export const MAX_WAITING_RECORDS = 20_000
const CONCURRENT_PROVIDES = 2
const CONCURRENT_FINDS = 8
/** A key that was looked up is not looked up again within this time: a lookup costs dozens of messages. */
export const LOOKUP_FRESH_MS = 10_000

/** What a directory needs. */
export interface DhtDirectoryInit {
  readonly routing: Pick<ContentRouting, 'provide' | 'findProviders' | 'cancelReprovide'>
  readonly self: PeerId
  readonly clock: Pick<Clock, 'now'>
  readonly logger: Logger
  readonly metrics: SwarmMetrics
  /** Records that are kept and renewed; when there are more, the oldest is withdrawn. */
  readonly maxRecords: number
}

/** Provider records in the DHT: told in the background, looked up with a deadline. */
export class DhtDirectory {
  readonly #init: DhtDirectoryInit
  readonly #waiting = new Set<Digest>()
  /** Blobs of which records are kept, the one named longest ago first. libp2p renews them as long as they are not withdrawn. */
  readonly #records = new Set<Digest>()
  readonly #controller = new AbortController()
  #providing = 0
  #finding = 0
  /** Lookups of the last seconds. */
  readonly #lookups = new Map<Digest, { readonly at: number; readonly over: Promise<void> }>()

  constructor(init: DhtDirectoryInit) {
    this.#init = init
  }

  /** Records that are kept, those waiting to be told included. */
  get records(): number {
    return this.#records.size
  }

  stop(): void {
    this.#waiting.clear()
    this.#controller.abort(new Error('this node is stopping'))
  }

  /** Says that we have a blob, in the background. */
  provide(digest: Digest): void {
    if (this.#controller.signal.aborted) return
    this.#records.delete(digest)
    this.#records.add(digest)
    const [oldest] = this.#records
    if (this.#records.size > this.#init.maxRecords && oldest !== undefined) this.withdraw(oldest)
    if (this.#waiting.size >= MAX_WAITING_RECORDS) {
      this.#records.delete(digest)
      this.#init.metrics.provided('dropped')
      return
    }
    this.#waiting.add(digest)
    while (this.#providing < CONCURRENT_PROVIDES && this.#waiting.size > 0) void this.#work()
  }

  /**
   * Takes up the records of an earlier run: those of blobs that have gone meanwhile, and those beyond the bound, are not
   * renewed any more.
   *
   * @param holds whether a blob is here. What is keyed by the hash of its digest's text does not show which blob it is and
   * is told anew when it is fetched again.
   */
  async restore(keys: AsyncIterable<CID>, holds: (digest: Digest) => Promise<boolean>): Promise<void> {
    for await (const key of keys) {
      if (this.#controller.signal.aborted) return
      const digest = digestOfKey(key)
      if (this.#records.has(digest)) continue
      if (this.#records.size < this.#init.maxRecords && (await holds(digest))) this.#records.add(digest)
      else this.withdraw(digest)
    }
  }

  /** Does not renew the record of a blob any more. Peers that were told keep it until it expires. */
  withdraw(digest: Digest): void {
    this.#waiting.delete(digest)
    this.#records.delete(digest)
    Promise.resolve(this.#init.routing.cancelReprovide(contentKey(digest))).catch((error: unknown) =>
      this.#init.logger.debug({ error, digest }, 'cannot cancel a provider record')
    )
  }

  async #work(): Promise<void> {
    this.#providing++
    try {
      for (let digest = this.#take(); digest !== undefined; digest = this.#take()) await this.#provideOne(digest)
    } finally {
      this.#providing--
    }
  }

  #take(): Digest | undefined {
    const next = this.#waiting.values().next().value
    if (next !== undefined) this.#waiting.delete(next)
    return next
  }

  async #provideOne(digest: Digest): Promise<void> {
    const { routing, logger, metrics } = this.#init
    const signal = AbortSignal.any([this.#controller.signal, AbortSignal.timeout(PROVIDE_TIMEOUT_MS)])
    try {
      await routing.provide(contentKey(digest), { signal })
      metrics.provided('ok')
      // Withdrawn while it was being told: it is not to be renewed.
      if (!this.#records.has(digest)) this.withdraw(digest)
    } catch (error) {
      metrics.provided('failed')
      if (!this.#controller.signal.aborted) logger.debug({ error, digest }, 'cannot tell the DHT of a blob')
    }
  }

  /**
   * Peers that have a blob, as they are found. Ends quietly at the deadline. All layers of an image are looked for under the
   * image's key: who asks again soon waits for the end of the lookup that is under way, or is told at once that there is no more.
   */
  async *find(digest: Digest, options?: { signal?: AbortSignal }): AsyncGenerator<PeerAddress> {
    if (!isDigest(digest)) return
    const now = this.#init.clock.now()
    for (const [old, { at }] of this.#lookups) if (now - at >= LOOKUP_FRESH_MS) this.#lookups.delete(old)
    const known = this.#lookups.get(digest)
    if (known !== undefined) {
      await known.over
      return
    }
    if (this.#finding >= CONCURRENT_FINDS) return
    const over = Promise.withResolvers<void>()
    this.#lookups.set(digest, { at: now, over: over.promise })
    try {
      yield* this.#lookUp(digest, options)
    } finally {
      over.resolve()
      // It was broken off: whoever comes next looks for himself.
      if (options?.signal?.aborted === true) this.#lookups.delete(digest)
    }
  }

  async *#lookUp(digest: Digest, options?: { signal?: AbortSignal }): AsyncGenerator<PeerAddress> {
    const signals = [this.#controller.signal, AbortSignal.timeout(FIND_TIMEOUT_MS)]
    const signal = AbortSignal.any(options?.signal === undefined ? signals : [...signals, options.signal])
    this.#finding++
    let found = 0
    try {
      for await (const provider of this.#init.routing.findProviders(contentKey(digest), { signal })) {
        if (provider.id.equals(this.#init.self)) continue
        yield { peerId: provider.id.toString(), addresses: provider.multiaddrs.map(String) }
        if (++found >= ENOUGH_PROVIDERS) return
      }
    } catch (error) {
      if (!signal.aborted) this.#init.logger.debug({ error, digest }, 'a DHT lookup failed')
    } finally {
      this.#finding--
    }
  }
}
