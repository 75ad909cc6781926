import type { ArrivingBlob } from '@shoal/content'
import { type Digest, OciError } from '@shoal/oci'
import type { Clock, Logger } from '@shoal/swarm'
import type { BlobStore } from '../blob-store.ts'
import type { Events } from '../events/events.ts'
import type { Holdings } from '../holdings.ts'
import type { Leases } from '../leases.ts'
import type { Seeder } from '../seeder.ts'
import { BlobFill, isFillId } from './blob-fill.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'
import type { Upstream } from './upstream.ts'

/** Blobs that are fetched at a time, or wait for their turn. */
export const FILLS_MAX = 512
/** What came of a fill that nobody went on with for so long is dropped. */
export const FILL_LEFTOVER_MS = 24 * 3_600_000

/** What fills are made with. */
export interface BlobFillsInit {
  readonly store: Pick<BlobStore, 'ingest' | 'open' | 'pendingIngests' | 'stat'>
  readonly holdings: Pick<Holdings, 'addBlob'>
  readonly leases: Pick<Leases, 'holding'>
  readonly seeder: Seeder
  readonly events: Pick<Events, 'emit'>
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ProxyMetrics
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Where a blob is to be had, and who wants it. */
export interface FillSource {
  readonly upstream: Upstream
  /** Its name at the upstream. */
  readonly repository: string
  /** The repository here that is to have it. */
  readonly local: string
  /** Bytes, if a manifest says so. */
  readonly size: number | undefined
}

interface Flight {
  readonly fill: BlobFill
  /** The repository for which it was begun. */
  readonly local: string
  /** Resolves when it has ended, well or not, and is forgotten. */
  readonly over: Promise<void>
  /** Of each repository that is to have it. */
  readonly links: Map<string, Promise<void>>
}

/**
 * The blobs that are being fetched: each digest once from an upstream, whoever asks and however many do. Upstreams do not
 * share fills: one that hangs or lies is not to keep others' images from anybody.
 */
export class BlobFills {
  readonly #init: BlobFillsInit
  readonly #flights = new Map<string, Flight>()
  #isClosed = false

  constructor(init: BlobFillsInit) {
    this.#init = init
  }

  get count(): number {
    return this.#flights.size
  }

  /** The fill of a blob from an upstream that is under way. */
  find(upstream: Upstream, digest: Digest): BlobFill | undefined {
    return this.#flights.get(keyOf(upstream, digest))?.fill
  }

  /**
   * Join the fetching of a blob, or begin it.
   *
   * @returns the blob as soon as it arrives; its fetching goes on whether it is read or not. Undefined when it is in the
   * store already
   * @throws OciError `DENIED` when the repository's quota has no room for it, `TOOMANYREQUESTS` with status 503, and why it
   * cannot be had
   */
  async arriving(digest: Digest, source: FillSource): Promise<ArrivingBlob | undefined> {
    const key = keyOf(source.upstream, digest)
    for (;;) {
      // Looked at here once more: a fill may have ended since the caller looked. One that is not in the store at this moment
      // cannot have ended when the next line runs, for its end waits for the disk.
      if (!this.#flights.has(key) && (await this.#init.store.stat(digest)) !== undefined) return undefined
      const flight = this.#flights.get(key) ?? this.#begin(key, digest, source)
      const isOwn = flight.local === source.local
      const blob = await flight.fill.arriving.catch((error: unknown) => {
        if (isOwn) throw error
      })
      // Another repository may not have it, or have it wrong: that is not this one's fault.
      if (blob === undefined || (!isOwn && source.size !== undefined && blob.size !== source.size)) {
        await flight.over
        continue
      }
      const link = flight.links.get(source.local) ?? this.#link(flight, digest, source.local, blob.size)
      // A quota says at once that there is no room; the fetching itself is not waited for.
      await Promise.race([link, new Promise<void>((resolve) => setImmediate(resolve))])
      return blob
    }
  }

  /** Drop what is left of fills of long ago. To be called first. */
  async restore(): Promise<void> {
    const { now, store } = this.#init
    for (const { id, usedAt } of await store.pendingIngests()) {
      if (isFillId(id) && now() - usedAt > FILL_LEFTOVER_MS) await (await store.ingest({ id })).abort()
    }
  }

  /** End all; what came stays. */
  async close(reason: Error): Promise<void> {
    this.#isClosed = true
    const flights = [...this.#flights.values()]
    await Promise.allSettled(flights.map(async ({ fill }) => await fill.stop(reason)))
    await Promise.allSettled(flights.flatMap(({ links }) => [...links.values()]))
  }

  #begin(key: string, digest: Digest, { local, repository, size, upstream }: FillSource): Flight {
    const { clock, logger, metrics, store } = this.#init
    if (this.#isClosed || this.#flights.size >= FILLS_MAX) {
      throw new OciError('TOOMANYREQUESTS', `${FILLS_MAX} blobs are being fetched: try again later`, { status: 503 })
    }
    const now = (): number => clock.now()
    const fill = new BlobFill({ upstream, repository, digest, size, store, logger, metrics, now })
    const links = new Map<string, Promise<void>>()
    const end = async (): Promise<void> => {
      await Promise.allSettled(links.values())
      this.#flights.delete(key)
    }
    const flight: Flight = { fill, local, links, over: fill.done.then(end, end) }
    this.#flights.set(key, flight)
    return flight
  }

  /** The repository has the blob when it is whole, and nobody removes it in between. */
  #link(flight: Flight, digest: Digest, local: string, size: number): Promise<void> {
    const { events, holdings, leases, logger, seeder } = this.#init
    const link = leases
      .holding([digest], async () => await holdings.addBlob(local, digest, size, async () => await flight.fill.done))
      .then(() => {
        seeder.announce(digest)
        events.emit({ action: 'proxy-fill', kind: 'blob', repository: local, digest, size })
      })
    flight.links.set(local, link)
    link.catch((error: unknown) => {
      logger.debug({ err: error, repository: local, digest }, 'a repository did not get a blob')
      if (!(error instanceof OciError && error.code === 'DENIED')) return
      // Bytes that nobody may keep are not worth fetching.
      flight.links.delete(local)
      if (flight.links.size === 0) void flight.fill.stop(error)
    })
    return link
  }
}

function keyOf(upstream: Upstream, digest: Digest): string {
  return `${upstream.host} ${digest}`
}
