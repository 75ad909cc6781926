import { OciError, type RegistryClient, RegistryUnreachableError } from '@shoal/oci'
import type { Clock } from './clock.ts'
import type { Logger } from './logger.ts'

/** How often a registry that is down is asked, in the background, whether it is back. */
export const PROBE_INTERVAL_MS = 1_000
/** A probe that has not been answered within this time has failed. */
export const PROBE_TIMEOUT_MS = 1_000
/** A registry that asks for more patience than this is asked again all the same. */
export const MAX_PATIENCE_MS = 3_600_000

/** What a breaker needs. */
export interface RegistryBreakerInit {
  readonly client: Pick<RegistryClient, 'ping'>
  /** What the log calls it. @default 'the registry' */
  readonly name?: string
  /** Each probe that fails doubles the time to the next one, up to this, milliseconds. @default PROBE_INTERVAL_MS */
  readonly maxProbeIntervalMs?: number
  /** How long a probe may take, milliseconds. @default PROBE_TIMEOUT_MS */
  readonly probeTimeoutMs?: number
  readonly clock: Clock
  readonly logger: Logger
}

const STATUS_REQUEST_TIMEOUT = 408
const STATUS_TOO_MANY_REQUESTS = 429

/** Whether an error is the registry's considered answer, and not that it is too busy or cannot be reached. */
export function isRefusal(error: unknown): error is OciError {
  if (!(error instanceof OciError)) return false
  const { status } = error
  return status < 500 && status !== STATUS_TOO_MANY_REQUESTS && status !== STATUS_REQUEST_TIMEOUT
}

/**
 * Knows whether the registry answers, so that nobody waits for one that does not: after a failure it counts as down until
 * an answer comes, to whoever asked or to a probe in the background.
 */
export class RegistryBreaker {
  readonly #init: RegistryBreakerInit
  readonly #controller = new AbortController()
  #down = false
  #probeMs = PROBE_INTERVAL_MS
  /** Until when it asked to be left alone, ms of the clock. */
  #restUntil = 0
  #downSince = 0
  #cancelProbe: () => void = () => undefined

  constructor(init: RegistryBreakerInit) {
    this.#init = init
  }

  /** Whether the registry did not answer when it was last asked. */
  get down(): boolean {
    return this.#down
  }

  /** For how long it has not answered, milliseconds; 0 while it does. */
  get downForMs(): number {
    return this.#down ? this.#init.clock.now() - this.#downSince : 0
  }

  /** For how long it asked not to be asked, from now on, milliseconds. */
  get restMs(): number {
    return Math.max(0, this.#restUntil - this.#init.clock.now())
  }

  /**
   * Asks the registry something and learns from the outcome.
   *
   * @throws what `question` throws; it is to fail when its signal fires, after `timeoutMs`
   */
  async ask<T>(timeoutMs: number, question: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const timeout = AbortSignal.timeout(timeoutMs)
    try {
      const answer = await question(AbortSignal.any([this.#controller.signal, timeout]))
      this.answered()
      return answer
    } catch (error) {
      // A refusal is an answer too.
      if (isRefusal(error)) this.answered()
      else this.trip(retryAfterOf(error))
      throw error
    }
  }

  /** The registry has answered. */
  answered(): void {
    // An answer to somebody who asked before does not end the rest that it asked for.
    if (!this.#down || this.#init.clock.now() < this.#restUntil) return
    this.#down = false
    this.#probeMs = PROBE_INTERVAL_MS
    this.#cancelProbe()
    this.#init.logger.info({}, `${this.#name} answers again`)
  }

  /**
   * The registry has not answered, or not soon enough.
   *
   * @param restMs for how long it asked not to be asked again
   */
  trip(restMs = 0): void {
    if (this.#controller.signal.aborted) return
    const until = this.#init.clock.now() + Math.min(restMs, MAX_PATIENCE_MS)
    const isLonger = restMs > 0 && until > this.#restUntil
    if (isLonger) this.#restUntil = until
    if (this.#down && !isLonger) return
    if (!this.#down) this.#init.logger.warn({}, `${this.#name} does not answer; what is known without it is served`)
    if (!this.#down) this.#downSince = this.#init.clock.now()
    this.#down = true
    this.#cancelProbe()
    this.#probeLater()
  }

  /** Ends the probes and the questions under way. */
  stop(): void {
    this.#cancelProbe()
    this.#controller.abort(new Error('this node is stopping'))
  }

  get #name(): string {
    return this.#init.name ?? 'the registry'
  }

  #probeLater(): void {
    const { clock, client, maxProbeIntervalMs = PROBE_INTERVAL_MS, probeTimeoutMs = PROBE_TIMEOUT_MS } = this.#init
    const wait = Math.max(this.#probeMs, this.#restUntil - clock.now())
    this.#probeMs = Math.min(maxProbeIntervalMs, this.#probeMs * 2)
    this.#cancelProbe = clock.after(wait, () => {
      client.ping({ signal: AbortSignal.any([this.#controller.signal, AbortSignal.timeout(probeTimeoutMs)]) }).then(
        () => this.answered(),
        (error: unknown) => this.#onProbeFailed(error)
      )
    })
  }

  #onProbeFailed(error: unknown): void {
    if (isRefusal(error)) this.answered()
    else if (this.#down && !this.#controller.signal.aborted) {
      const rest = retryAfterOf(error)
      if (rest > 0) this.trip(rest)
      else this.#probeLater()
    }
  }
}

/** For how long a registry asked not to be asked again, milliseconds. */
export function retryAfterOf(error: unknown): number {
  const isOurs = error instanceof OciError || error instanceof RegistryUnreachableError
  return isOurs ? (error.retryAfterMs ?? 0) : 0
}
