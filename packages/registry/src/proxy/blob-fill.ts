import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  ArrivingBlob,
  type ArrivingBlobInit,
  MAX_BLOB_SIZE_BYTES,
  StoreClosedError,
  StoreFullError
} from '@shoal/content'
import { type Digest, OciError } from '@shoal/oci'
import { isRefusal, type Logger, retryAfterOf } from '@shoal/swarm'
import { blobUnknown } from '../unknown.ts'
import { FlushedRuns } from './flushed-runs.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'
import type { Upstream, UpstreamBlob } from './upstream.ts'
import { UpstreamDownError, UpstreamWrongError } from './upstream-errors.ts'

/** A fill to which nothing came for so long is given up; what came of it stays for the next one. */
export const FILL_PATIENCE_MS = 10 * 60_000
/** A fill of which nothing has come at all: whoever asked is to hear soon that there is nothing. */
export const FIRST_ANSWER_PATIENCE_MS = 20_000
/** How often a blob is fetched again whose bytes were wrong. */
export const WRONG_MAX = 2
/** An upstream that has been away for longer is not waited for by those who have nothing of a blob yet. */
export const AWAY_PATIENCE_MS = 10_000
const FIRST_RETRY_MS = 250
const MAX_RETRY_MS = 2_000
/** Names of the ingests of fills begin with it. */
const FILL_ID_PREFIX = 'fill-'

/** What a fill is made with. */
export interface BlobFillInit {
  readonly upstream: Upstream
  /** Its name at the upstream. */
  readonly repository: string
  readonly digest: Digest
  /** Bytes, if a manifest says so. */
  readonly size: number | undefined
  readonly store: ArrivingBlobInit['store']
  readonly logger: Logger
  readonly metrics: ProxyMetrics
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number
  /** @default FILL_PATIENCE_MS */
  readonly patienceMs?: number
}

/** Whether what is pending in the store under this name came from an upstream. */
export function isFillId(id: string): boolean {
  return id.startsWith(FILL_ID_PREFIX)
}

/**
 * Brings one blob here from an upstream, once for all who want it. It goes on when all of them have left, and where it
 * was when the upstream breaks off. Bytes that are not those of the digest are thrown away and fetched again.
 */
export class BlobFill {
  readonly digest: Digest
  /** Resolves when the blob is whole and durable. */
  readonly done: Promise<void>
  readonly #init: BlobFillInit
  readonly #stop = new AbortController()
  #current = Promise.withResolvers<ArrivingBlob>()
  #progressAt: number
  #hasBytes = false

  constructor(init: BlobFillInit) {
    this.#init = init
    this.digest = init.digest
    this.#progressAt = init.now()
    this.#current.promise.catch(() => undefined)
    this.done = this.#run()
    this.done.catch(() => undefined)
  }

  /** The blob as it arrives, once its size is known; another one after wrong bytes. @throws why it cannot be had */
  get arriving(): Promise<ArrivingBlob> {
    return this.#current.promise
  }

  /** End it; what came stays for another time. */
  async stop(reason: Error): Promise<void> {
    this.#stop.abort(reason)
    await this.done.catch(() => undefined)
  }

  async #run(): Promise<void> {
    const { digest, logger, metrics, repository, upstream } = this.#init
    const { host } = upstream
    for (let wrong = 0; ; ) {
      try {
        const size = await this.#fetch()
        metrics.verified(size)
        metrics.fill(host, 'filled')
        logger.info({ upstream: host, repository, digest, size }, 'a blob was fetched from its upstream')
        return
      } catch (cause) {
        if (isWrong(cause)) {
          metrics.fill(host, 'wrong')
          logger.warn({ err: cause, upstream: host, repository, digest }, 'an upstream gave wrong bytes')
          if (++wrong <= WRONG_MAX && !this.#stop.signal.aborted) continue
        }
        const error = this.#told(cause)
        metrics.fill(host, 'failed')
        this.#current.reject(error)
        throw error
      }
    }
  }

  /** What those who wait for it are told: an upstream's mistake is none of theirs. */
  #told(cause: unknown): Error {
    const { digest, upstream } = this.#init
    return isWrong(cause) ? new UpstreamWrongError(upstream.host, digest, { cause }) : asError(cause)
  }

  /** @returns how large it is */
  async #fetch(): Promise<number> {
    const { digest, store, upstream } = this.#init
    const first = this.#init.size === undefined ? await this.#open(0, undefined, undefined) : undefined
    const size = this.#init.size ?? first?.size ?? 0
    let blob: ArrivingBlob
    try {
      if (size > MAX_BLOB_SIZE_BYTES) throw new OciError('SIZE_INVALID', `${digest} is larger than a blob may be`)
      blob = await ArrivingBlob.begin({ store, digest, size, id: idOf(upstream.host, digest) })
    } catch (error) {
      await first?.body.return()
      throw error
    }
    this.#offer(blob)
    try {
      await this.#append(blob, blob.received === 0 ? first : await dropped(first))
      await blob.finish()
    } catch (error) {
      // On a full disk, what can be had again makes room for what cannot.
      await blob.fail(this.#told(error), { drop: error instanceof StoreFullError })
      // The next try is for those who come now: they are not to get this one.
      this.#current = Promise.withResolvers<ArrivingBlob>()
      this.#current.promise.catch(() => undefined)
      throw error
    }
    return size
  }

  #offer(blob: ArrivingBlob): void {
    this.#current.resolve(blob)
  }

  async #append(blob: ArrivingBlob, first: UpstreamBlob | undefined): Promise<void> {
    let etag = first?.etag
    let opened = first
    for (let failures = 0; blob.received < blob.size; ) {
      const before = blob.received
      try {
        opened ??= await this.#open(before, blob.size, etag)
        if (opened.size !== blob.size) {
          await opened.body.return()
          throw new OciError('SIZE_INVALID', `it has ${opened.size} bytes there, not ${blob.size}`)
        }
        etag = opened.etag ?? etag
        await this.#appendBody(blob, opened.body)
        failures = 0
        if (blob.received < blob.size) throw new Error('the body ended too early')
      } catch (error) {
        this.#stop.signal.throwIfAborted()
        if (isFinal(error)) throw error
        failures = blob.received > before ? 1 : failures + 1
        await this.#rest(failures, error)
      }
      opened = undefined
    }
  }

  async #appendBody(blob: ArrivingBlob, body: AsyncIterable<Uint8Array>): Promise<void> {
    const { signal } = this.#stop
    const runs = new FlushedRuns(body)
    try {
      while (!runs.over) {
        const before = blob.received
        await blob.append(runs.run(), { signal })
        if (blob.received > before) this.#noteProgress()
      }
    } finally {
      runs.end()
    }
  }

  /** Opens the blob from `start` on; goes on trying while there is patience. */
  async #open(start: number, size: number | undefined, etag: string | undefined): Promise<UpstreamBlob> {
    const { digest, repository, upstream } = this.#init
    const { signal } = this.#stop
    for (let failures = 0; ; ) {
      try {
        const range = start === 0 || size === undefined ? {} : { range: { start, end: size }, ifRange: etag }
        const opened = await upstream.blob(repository, digest, { ...range, signal })
        if (opened === undefined) throw blobUnknown(repository, digest)
        return opened
      } catch (error) {
        signal.throwIfAborted()
        if (isFinal(error)) throw error
        await this.#rest(++failures, error)
      }
    }
  }

  /** Wait before the next try, unless there is no patience left. */
  async #rest(failures: number, error: unknown): Promise<void> {
    const { digest, logger, now, patienceMs = FILL_PATIENCE_MS, upstream } = this.#init
    const patience = this.#hasBytes ? patienceMs : Math.min(patienceMs, FIRST_ANSWER_PATIENCE_MS)
    const isDown = error instanceof UpstreamDownError || retryAfterOf(error) > 0
    const isHopeless = isDown && !this.#hasBytes && upstream.isAwayFor(AWAY_PATIENCE_MS)
    if (isHopeless || now() - this.#progressAt >= patience) throw error
    logger.debug({ err: error, upstream: upstream.host, digest }, 'a blob will be gone on with')
    const { signal } = this.#stop
    const ms = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** (failures - 1))
    await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
  }

  #noteProgress(): void {
    this.#hasBytes = true
    this.#progressAt = this.#init.now()
  }
}

/** Lets go of an answer. @returns none */
async function dropped(first: UpstreamBlob | undefined): Promise<undefined> {
  await first?.body.return()
  return undefined
}

/** A name that is as long for any digest. What one upstream gave is not gone on with from another. */
function idOf(host: string, digest: Digest): string {
  return `${FILL_ID_PREFIX}${createHash('sha256').update(`${host} ${digest}`).digest('hex').slice(0, 32)}`
}

function isWrong(error: unknown): boolean {
  return error instanceof OciError && (error.code === 'DIGEST_INVALID' || error.code === 'SIZE_INVALID')
}

/** Whether trying again would not help. */
function isFinal(error: unknown): boolean {
  return isRefusal(error) || error instanceof StoreFullError || error instanceof StoreClosedError
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
