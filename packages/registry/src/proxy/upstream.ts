import {
  type ByteRange,
  type Digest,
  type FetchedManifest,
  type ManifestHead,
  OciError,
  RegistryClient,
  RegistryUnreachableError
} from '@shoal/oci'
import {
  type Clock,
  isRefusal,
  type Logger,
  PROBE_INTERVAL_MS,
  RateLimiter,
  RegistryBreaker,
  retryAfterOf
} from '@shoal/swarm'
import { globPattern } from '../policies.ts'
import type { ProxyMetrics, UpstreamResult } from './proxy-metrics.ts'
import { RequestGate } from './request-gate.ts'
import { DEFAULT_TAG_TTL_MS, DEFAULT_UPSTREAM_REQUESTS, type UpstreamConfig } from './upstream-config.ts'
import { UpstreamDownError } from './upstream-errors.ts'
import { upstreamGuard } from './upstream-guard.ts'

/** A manifest, or anything else that is small, has to be there by then. */
export const ANSWER_TIMEOUT_MS = 20_000
/** A body that gives no byte for so long is broken. */
export const IDLE_TIMEOUT_MS = 15_000
/** Tries of a small request. */
const ATTEMPTS = 2
const RETRY_MS = 200
/** An upstream that is down is asked at least this often whether it is back, unless it said when. */
export const MAX_PROBE_INTERVAL_MS = 15_000
const PROBE_TIMEOUT_MS = 5_000

/** What an upstream is made with. */
export interface UpstreamInit {
  readonly config: UpstreamConfig
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ProxyMetrics
  /** @default ANSWER_TIMEOUT_MS */
  readonly answerTimeoutMs?: number
  /** @default IDLE_TIMEOUT_MS */
  readonly idleTimeoutMs?: number
}

/** A blob, or its end, as an upstream sends it. */
export interface UpstreamBlob {
  /** Bytes of the whole blob. */
  readonly size: number
  readonly etag: string | undefined
  /** To be read to its end, or ended by `return`: the request counts until then. */
  readonly body: AsyncGenerator<Uint8Array, void, void>
}

/** What can be said of an upstream. */
export interface UpstreamStatus {
  readonly host: string
  readonly url: string
  /** Whether it answered when it was asked last. */
  readonly up: boolean
  /** Requests that run, and that wait for their turn. */
  readonly running: number
  readonly waiting: number
}

/**
 * One registry elsewhere, asked within its limits: so many requests at a time, so many bytes per second, and not at all
 * while it does not answer.
 */
export class Upstream {
  readonly host: string
  readonly tagTtlMs: number
  readonly config: UpstreamConfig
  readonly #client: RegistryClient
  readonly #breaker: RegistryBreaker
  readonly #gate: RequestGate
  /** Blobs pass it first: they leave a place for what is small, which would wait for all of them otherwise. */
  readonly #blobGate: RequestGate
  readonly #limiter: RateLimiter
  readonly #metrics: ProxyMetrics
  readonly #answerTimeoutMs: number
  readonly #allow: readonly RegExp[] | undefined
  readonly #deny: readonly RegExp[]

  constructor({ clock, config, logger, metrics, ...timeouts }: UpstreamInit) {
    this.config = config
    this.host = config.host
    this.tagTtlMs = config.tagTtlMs ?? DEFAULT_TAG_TTL_MS
    this.#metrics = metrics
    this.#answerTimeoutMs = timeouts.answerTimeoutMs ?? ANSWER_TIMEOUT_MS
    const { caBundle, credentials, url } = config
    this.#client = new RegistryClient({
      url,
      credentials,
      caBundle,
      // Who fills a blob goes on by himself, where he stopped.
      attempts: 1,
      connection: {
        ...upstreamGuard(new URL(url)),
        headersTimeoutMs: this.#answerTimeoutMs,
        bodyTimeoutMs: timeouts.idleTimeoutMs ?? IDLE_TIMEOUT_MS
      }
    })
    this.#breaker = new RegistryBreaker({
      client: this.#client,
      clock,
      logger,
      name: `the upstream ${config.host}`,
      maxProbeIntervalMs: Math.max(PROBE_INTERVAL_MS, MAX_PROBE_INTERVAL_MS),
      probeTimeoutMs: PROBE_TIMEOUT_MS
    })
    const requests = config.requests ?? DEFAULT_UPSTREAM_REQUESTS
    this.#gate = new RequestGate({ max: requests })
    this.#blobGate = new RequestGate({ max: Math.max(1, requests - 1) })
    this.#limiter = new RateLimiter({ bytesPerSecond: config.bytesPerSecond })
    this.#allow = config.allow?.map(globPattern)
    this.#deny = (config.deny ?? []).map(globPattern)
  }

  get status(): UpstreamStatus {
    const { host, url } = this.config
    const waiting = this.#gate.waiting + this.#blobGate.waiting
    return { host, url, up: !this.down, running: this.#gate.running, waiting }
  }

  /** Whether it is not asked at the moment. */
  get down(): boolean {
    return this.#breaker.down
  }

  /** Whether it has been away for so long, or will be, that nobody should wait for it. */
  isAwayFor(ms: number): boolean {
    return this.#breaker.downForMs > ms || this.#breaker.restMs > ms
  }

  /** Whether a repository of it may be pulled through here. */
  permits(repository: string): boolean {
    const matches = (patterns: readonly RegExp[]): boolean => patterns.some((pattern) => pattern.test(repository))
    return !matches(this.#deny) && (this.#allow === undefined || matches(this.#allow))
  }

  /** @returns undefined when it does not have it. @throws UpstreamDownError, or what the client throws */
  async headManifest(repository: string, reference: string): Promise<ManifestHead | undefined> {
    return await this.#ask(async (signal) => await this.#client.headManifest(repository, reference, { signal }))
  }

  /** @returns undefined when it does not have it. @throws UpstreamDownError, or what the client throws */
  async getManifest(repository: string, reference: string): Promise<FetchedManifest | undefined> {
    const found = await this.#ask(
      async (signal) => await this.#client.getManifest(repository, reference, { signal }),
      // Wrong bytes may be right the next time.
      (error) => error instanceof OciError && error.code === 'MANIFEST_INVALID'
    )
    if (found !== undefined) this.#metrics.bytes(this.host, found.bytes.length)
    return found
  }

  /** @returns undefined when it does not have it. @throws UpstreamDownError, or what the client throws */
  async headBlob(repository: string, digest: Digest): Promise<{ size: number } | undefined> {
    return await this.#ask(async (signal) => await this.#client.headBlob(repository, digest, { signal }))
  }

  /** A small document under `/v2/<repository>/`. */
  async get(repository: string, path: string, maxBytes: number) {
    return await this.#ask(async (signal) => {
      const answer = await this.#client.get(`/v2/${repository}/${path}`, { signal, maxBytes, repository })
      const { status } = answer
      if (status < 500 && status !== 429) return answer
      throw new RegistryUnreachableError(this.host, `it answered with status ${status}`)
    })
  }

  /**
   * Open a blob, or a part of it. Waits for its turn.
   *
   * @returns undefined when it does not have it
   * @throws UpstreamDownError, what the client throws, or the signal's reason
   */
  async blob(
    repository: string,
    digest: Digest,
    options: { range?: ByteRange; ifRange?: string | undefined; signal: AbortSignal }
  ): Promise<UpstreamBlob | undefined> {
    const leave = await this.#enterBlob(options.signal)
    const over = new AbortController()
    const signal = AbortSignal.any([options.signal, over.signal])
    try {
      this.#assertUp()
      const opened = await this.#noted(options.signal, async () => {
        return await this.#client.getBlob(repository, digest, { ...options, signal })
      })
      if (opened === undefined) {
        leave()
        return undefined
      }
      const body = this.#paced(opened.body, signal, () => {
        leave()
        // A body of which nothing was read keeps its connection otherwise.
        over.abort()
      })
      await body.next()
      return { size: opened.size, etag: opened.etag, body }
    } catch (error) {
      leave()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#breaker.stop()
    await this.#client.close()
  }

  async #enterBlob(signal: AbortSignal): Promise<() => void> {
    const leaveBlobs = await this.#blobGate.enter(signal)
    try {
      const leave = await this.#gate.enter(signal)
      return () => {
        leave()
        leaveBlobs()
      }
    } catch (error) {
      leaveBlobs()
      throw error
    }
  }

  /** The first piece is empty: with it begins what ends with `end`, which `return` alone would not run. */
  async *#paced(
    body: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
    end: () => void
  ): AsyncGenerator<Uint8Array, void, void> {
    try {
      yield new Uint8Array()
      for await (const piece of body) {
        await this.#limiter.take(piece.length, { signal })
        this.#metrics.bytes(this.host, piece.length)
        yield piece
      }
    } finally {
      end()
    }
  }

  /** Ask something small, once more when it fails. */
  async #ask<T>(
    question: (signal: AbortSignal) => Promise<T>,
    isWorthAnother: (error: unknown) => boolean = () => false
  ): Promise<T> {
    const patience = AbortSignal.timeout(this.#answerTimeoutMs * ATTEMPTS)
    // What is small keeps a blob waiting for a moment; a blob would keep it waiting for minutes.
    const leave = await this.#gate.enter(patience, { urgent: true })
    try {
      for (let attempt = 1; ; attempt++) {
        this.#assertUp()
        const signal = AbortSignal.any([patience, AbortSignal.timeout(this.#answerTimeoutMs)])
        const isLast = attempt === ATTEMPTS
        try {
          return await this.#noted(undefined, async () => await question(signal), isLast)
        } catch (error) {
          const isTransient = !isRefusal(error) && retryAfterOf(error) === 0 && !signal.aborted
          if (isLast || !(isTransient || isWorthAnother(error))) throw error
          await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
        }
      }
    } finally {
      leave()
    }
  }

  /** Ask, and learn from how it ends; an end that the asker made says nothing. */
  async #noted<T>(ended: AbortSignal | undefined, ask: () => Promise<T>, trips = true): Promise<T> {
    const count = (result: UpstreamResult): void => this.#metrics.request(this.host, result)
    try {
      const answer = await ask()
      this.#breaker.answered()
      count(answer === undefined ? 'missing' : 'ok')
      return answer
    } catch (error) {
      if (ended?.aborted === true) throw error
      if (isRefusal(error)) {
        this.#breaker.answered()
        count('refused')
      } else {
        count('failed')
        if (trips || retryAfterOf(error) > 0) this.#breaker.trip(retryAfterOf(error))
      }
      throw error instanceof Error && error.name === 'TimeoutError'
        ? new RegistryUnreachableError(this.host, 'it does not answer in time', { cause: error })
        : error
    }
  }

  #assertUp(): void {
    if (this.down) throw new UpstreamDownError(this.host)
  }
}
