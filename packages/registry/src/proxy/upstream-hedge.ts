import type { Clock } from '@shoal/swarm'
import type { Upstream } from './upstream.ts'

/** What is cached is given out when its upstream has not answered for it by then. */
export const HEDGE_MS = 1_000

/**
 * Waits for upstreams on behalf of those who could be given what is cached: not for long, and not at all while an upstream
 * keeps others waiting.
 */
export class UpstreamHedge {
  readonly #clock: Clock
  /** Questions that somebody has waited for long enough, and that are not answered yet. */
  readonly #late = new Map<Upstream, Set<Promise<unknown>>>()

  constructor({ clock }: { readonly clock: Clock }) {
    this.#clock = clock
  }

  /** Whether it is not worth waiting for an upstream. */
  hangs(upstream: Upstream): boolean {
    return upstream.down || this.#late.has(upstream)
  }

  /**
   * The answer to a question that is asked already, which goes on whether it is waited for or not.
   *
   * @returns undefined when it does not come soon
   * @throws what the question throws, soon
   */
  async answer<T extends {}>(upstream: Upstream, question: Promise<T>): Promise<T | undefined> {
    question.catch(() => undefined)
    if (this.hangs(upstream)) return undefined
    const late = Promise.withResolvers<undefined>()
    const cancel = this.#clock.after(HEDGE_MS, () => {
      late.resolve(undefined)
      this.#noteLate(upstream, question)
    })
    try {
      return await Promise.race([question, late.promise])
    } finally {
      cancel()
    }
  }

  #noteLate(upstream: Upstream, question: Promise<unknown>): void {
    const late = this.#late.get(upstream) ?? new Set()
    this.#late.set(upstream, late.add(question))
    const over = (): void => {
      late.delete(question)
      if (late.size === 0 && this.#late.get(upstream) === late) this.#late.delete(upstream)
    }
    question.then(over, over)
  }
}
