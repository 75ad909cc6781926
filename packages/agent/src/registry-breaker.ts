import { OciError, type RegistryClient } from '@shoal/oci'
import type { Clock, Logger } from '@shoal/swarm'

/** How often a registry that is down is asked, in the background, whether it is back. */
export const PROBE_INTERVAL_MS = 1_000
/** A probe that has not been answered within this time has failed. */
export const PROBE_TIMEOUT_MS = 1_000

/** What a breaker needs. */
export interface RegistryBreakerInit {
  readonly client: Pick<RegistryClient, 'ping'>
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
  #cancelProbe: () => void = () => undefined

  constructor(init: RegistryBreakerInit) {
    this.#init = init
  }

  /** Whether the registry did not answer when it was last asked. */
  get down(): boolean {
    return this.#down
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
      else this.trip()
      throw error
    }
  }

  /** The registry has answered. */
  answered(): void {
    if (!this.#down) return
    this.#down = false
    this.#cancelProbe()
    this.#init.logger.info({}, 'the registry answers again')
  }

  /** The registry has not answered, or not soon enough. */
  trip(): void {
    if (this.#down || this.#controller.signal.aborted) return
    this.#down = true
    this.#init.logger.warn({}, 'the registry does not answer; what is known without it is served')
    this.#probeLater()
  }

  /** Ends the probes and the questions under way. */
  stop(): void {
    this.#cancelProbe()
    this.#controller.abort(new Error('this node is stopping'))
  }

  #probeLater(): void {
    this.#cancelProbe = this.#init.clock.after(PROBE_INTERVAL_MS, () => {
      this.#init.client
        .ping({ signal: AbortSignal.any([this.#controller.signal, AbortSignal.timeout(PROBE_TIMEOUT_MS)]) })
        .then(
          () => this.answered(),
          (error: unknown) => this.#onProbeFailed(error)
        )
    })
  }

  #onProbeFailed(error: unknown): void {
    if (isRefusal(error)) this.answered()
    else if (this.#down && !this.#controller.signal.aborted) this.#probeLater()
  }
}
