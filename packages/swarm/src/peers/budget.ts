/** How a budget is filled. */
export interface BudgetInit {
  readonly perSecond: number
  /** What may be spent at once after a pause. */
  readonly burst: number
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number
}

/** What a peer may have done for it: enough for any honest one, and no more than so much a second. */
export class Budget {
  readonly #init: BudgetInit
  #left: number
  #filledAt: number

  constructor(init: BudgetInit) {
    this.#init = init
    this.#left = init.burst
    this.#filledAt = init.now()
  }

  /** @returns false when nothing is left; what is begun may go beyond that once */
  spend(cost: number): boolean {
    const { burst, now, perSecond } = this.#init
    const at = now()
    this.#left = Math.min(burst, this.#left + ((at - this.#filledAt) * perSecond) / 1000)
    this.#filledAt = at
    if (this.#left <= 0) return false
    this.#left -= cost
    return true
  }
}
