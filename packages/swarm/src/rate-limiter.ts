import { setTimeout as sleep } from 'node:timers/promises'

/** How much a limiter lets through at once after a pause, in seconds of its rate. */
const BURST_SECONDS = 0.25
const MIN_BURST_BYTES = 256 * 1024

/** What a limiter needs of the outside. */
export interface RateLimiterInit {
  /** Bytes per second; no limit when undefined. */
  readonly bytesPerSecond?: number | undefined
  /** Milliseconds on a clock that never goes back. @default performance.now */
  readonly now?: () => number
  /** Waits; replaced in tests. */
  readonly wait?: (ms: number, signal?: AbortSignal) => Promise<void>
}

/**
 * A token bucket over bytes. A take may go into debt, and the next one waits until that is paid: so takes of any size
 * pass, the long-run rate is exact, and waiters are served in order.
 */
export class RateLimiter {
  readonly #rate: number | undefined
  readonly #burst: number
  readonly #now: () => number
  readonly #wait: (ms: number, signal?: AbortSignal) => Promise<void>
  #tokens: number
  #filledAt: number

  constructor(init: RateLimiterInit = {}) {
    this.#rate = init.bytesPerSecond
    this.#burst = Math.max(MIN_BURST_BYTES, (init.bytesPerSecond ?? 0) * BURST_SECONDS)
    this.#now = init.now ?? (() => performance.now())
    this.#wait = init.wait ?? ((ms, signal) => sleep(ms, undefined, signal === undefined ? {} : { signal }))
    this.#tokens = this.#burst
    this.#filledAt = this.#now()
  }

  /** Milliseconds until a take would pass without waiting. */
  delayMs(): number {
    this.#fill()
    return this.#rate === undefined || this.#tokens > 0 ? 0 : (-this.#tokens * 1000) / this.#rate
  }

  /** Bytes that may pass at once; infinite without a limit. */
  get available(): number {
    this.#fill()
    return this.#rate === undefined ? Number.POSITIVE_INFINITY : Math.max(0, this.#tokens)
  }

  /**
   * Takes `bytes` at once, into debt if need be; {@link delayMs} says when the debt is paid. A negative number gives bytes
   * back that were not used after all.
   */
  spend(bytes: number): void {
    if (this.#rate === undefined) return
    this.#fill()
    this.#tokens = Math.min(this.#burst, this.#tokens - bytes)
  }

  /**
   * Waits until `bytes` may pass. Who gives up waiting has taken nothing.
   *
   * @throws the signal's reason, or an AbortError because of it
   */
  async take(bytes: number, options?: { signal?: AbortSignal }): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#rate === undefined) return
    const delay = this.delayMs()
    this.spend(bytes)
    if (delay === 0) return
    try {
      await this.#wait(delay, options?.signal)
    } catch (error) {
      this.spend(-bytes)
      throw error
    }
  }

  #fill(): void {
    if (this.#rate === undefined) return
    const now = this.#now()
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#filledAt) * this.#rate) / 1000)
    this.#filledAt = now
  }
}
