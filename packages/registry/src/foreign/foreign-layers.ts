import { type ContentStore, MAX_BLOB_SIZE_BYTES, StoreClosedError, StoreFullError } from '@shoal/content'
import { type Digest, digestAlgorithm, OciError } from '@shoal/oci'
import type { Logger } from '@shoal/swarm'
import type { ForeignFetcher } from './foreign-fetcher.ts'
import type { ForeignMetrics } from './foreign-metrics.ts'

/** Layers that are fetched at a time. */
export const FOREIGN_FETCHES_MAX = 4
/** Layers that wait for their turn; one more is refused. */
export const FOREIGN_QUEUE_MAX = 64
/** How often a body that breaks is gone on with, from one URL. */
export const FOREIGN_ATTEMPTS = 3
/** A layer that was not to be had is not tried again for so long. */
export const FOREIGN_RETRY_MS = 30_000
/** Layers whose failure is remembered. */
export const FOREIGN_FAILURES_MAX = 1000
/** A fetch may take this long, and longer for what is large: a server that trickles must not keep others waiting. */
export const FOREIGN_BASE_MS = 60_000
export const FOREIGN_MIN_BYTES_PER_SECOND = 256 * 1024
/** No fetch takes longer, however large the layer. */
export const FOREIGN_MAX_MS = 24 * 3_600_000

/** A layer that is to be had elsewhere. */
export interface ForeignSource {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  readonly urls: readonly string[]
}

/** What foreign layers are fetched with. */
export interface ForeignLayersInit {
  readonly store: Pick<ContentStore, 'ingest' | 'stat'>
  readonly fetcher: Pick<ForeignFetcher, 'close' | 'read'>
  readonly logger: Logger
  readonly metrics: ForeignMetrics
  /** Milliseconds, of any clock. */
  readonly now: () => number
}

/**
 * Fetches foreign layers into the store: each once, however many ask for it at the same time, and whole and verified
 * before anybody gets a byte. A client that goes away does not stop a fetch: the next one asks for the same layer.
 */
export class ForeignLayers {
  readonly #init: ForeignLayersInit
  readonly #flights = new Map<Digest, Promise<void>>()
  readonly #failures = new Map<Digest, number>()
  readonly #waiting: (() => void)[] = []
  readonly #shutdown = new AbortController()
  #running = 0

  constructor(init: ForeignLayersInit) {
    this.#init = init
  }

  /**
   * Have the layer in the store.
   *
   * @throws OciError `BLOB_UNKNOWN` with status 502 when none of its URLs gives it, `TOOMANYREQUESTS` with status 503,
   * StoreFullError, StoreClosedError
   */
  async fetch(source: ForeignSource): Promise<void> {
    const { digest } = source
    const under = this.#flights.get(digest)
    if (under !== undefined) return await under
    // Another repository has it already. Whoever may pull from one may pull from all.
    if ((await this.#init.store.stat(digest))?.size === source.size) return
    const flight = this.#flights.get(digest) ?? this.#begin(source)
    await flight
  }

  /** End what is under way. Nothing is fetched afterwards. */
  async close(): Promise<void> {
    this.#shutdown.abort(new StoreClosedError())
    for (const wake of this.#waiting.splice(0)) wake()
    await Promise.allSettled(this.#flights.values())
    await this.#init.fetcher.close()
  }

  #begin(source: ForeignSource): Promise<void> {
    const { digest } = source
    const failedAt = this.#failures.get(digest)
    if (failedAt !== undefined && this.#init.now() - failedAt < FOREIGN_RETRY_MS)
      return Promise.reject(notToBeHad(digest))
    this.#failures.delete(digest)
    const flight = this.#inTurn(source).finally(() => this.#flights.delete(digest))
    this.#flights.set(digest, flight)
    return flight
  }

  async #inTurn(source: ForeignSource): Promise<void> {
    if (this.#running >= FOREIGN_FETCHES_MAX) {
      if (this.#waiting.length >= FOREIGN_QUEUE_MAX) {
        throw new OciError('TOOMANYREQUESTS', 'too many layers are being fetched: try again later', { status: 503 })
      }
      await new Promise<void>((resolve) => this.#waiting.push(resolve))
    } else {
      this.#running++
    }
    try {
      this.#shutdown.signal.throwIfAborted()
      await this.#fetch(source)
    } finally {
      const next = this.#waiting.shift()
      if (next === undefined) this.#running--
      else next()
    }
  }

  async #fetch(source: ForeignSource): Promise<void> {
    const { logger, metrics } = this.#init
    const { digest } = source
    for (const url of source.urls) {
      try {
        await this.#fetchFrom(url, source)
        metrics.fetched(source.size)
        logger.info({ digest, url, size: source.size }, 'a foreign layer was fetched')
        return
      } catch (error) {
        this.#shutdown.signal.throwIfAborted()
        if (error instanceof StoreFullError || error instanceof StoreClosedError) throw error
        // Only the log says why: an answer that did would tell strangers what can be reached from here.
        logger.warn({ err: error, digest, url }, 'a foreign layer could not be fetched')
      }
    }
    metrics.failed()
    this.#noteFailure(digest)
    throw notToBeHad(digest)
  }

  async #fetchFrom(url: string, { digest, size }: ForeignSource): Promise<void> {
    const { fetcher, store } = this.#init
    if (size > MAX_BLOB_SIZE_BYTES) throw new OciError('SIZE_INVALID', `a layer may have ${MAX_BLOB_SIZE_BYTES} bytes`)
    const signal = AbortSignal.any([this.#shutdown.signal, AbortSignal.timeout(patience(size))])
    const ingest = await store.ingest({ size, algorithm: digestAlgorithm(digest) })
    try {
      for (let attempt = 1; ; attempt++) {
        const before = ingest.received
        try {
          await ingest.append(fetcher.read(url, { start: ingest.received, end: size }, signal), { signal })
          if (ingest.received >= size) break
          throw new Error(`the answer ended after ${ingest.received} of ${size} bytes`)
        } catch (error) {
          // One that breaks without a byte, or has too many, will not do better next time.
          const isHopeless = ingest.received === before || error instanceof OciError || error instanceof StoreFullError
          if (isHopeless || signal.aborted || attempt >= FOREIGN_ATTEMPTS) throw error
        }
      }
      await ingest.finish(digest, { signal })
    } finally {
      await ingest.abort()
    }
  }

  #noteFailure(digest: Digest): void {
    this.#failures.set(digest, this.#init.now())
    const [oldest] = this.#failures.keys()
    if (this.#failures.size > FOREIGN_FAILURES_MAX && oldest !== undefined) this.#failures.delete(oldest)
  }
}

/** How long a layer of so many bytes may take, milliseconds. */
function patience(size: number): number {
  return Math.min(FOREIGN_MAX_MS, FOREIGN_BASE_MS + Math.ceil(size / FOREIGN_MIN_BYTES_PER_SECOND) * 1000)
}

function notToBeHad(digest: Digest): OciError {
  const message = `the foreign layer ${digest} could not be fetched from its urls; the log of the registry says why`
  return new OciError('BLOB_UNKNOWN', message, { status: 502, detail: { digest } })
}
