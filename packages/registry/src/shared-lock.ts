interface Turn {
  /** Whether work of others may join it. */
  readonly isShared: boolean
  readonly before: Promise<void> | undefined
  readonly over: Promise<void>
  readonly end: () => void
  running: number
}

/**
 * Lets work on one key run one at a time and in order, except what was said to be shared: that runs together, and waits
 * only for the other kind. Neither starves the other: who comes behind waiting work of the other kind waits too.
 */
export class SharedLock<K> {
  /** The last turn of each key that has any. */
  readonly #last = new Map<K, Turn>()

  /** Do `work` while nothing else of this key is done. */
  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    return await this.#take(key, this.#add(key, false), work)
  }

  /** Do `work` beside other shared work of this key. */
  async share<T>(key: K, work: () => Promise<T>): Promise<T> {
    const last = this.#last.get(key)
    return await this.#take(key, last?.isShared === true ? last : this.#add(key, true), work)
  }

  #add(key: K, isShared: boolean): Turn {
    const { promise, resolve } = Promise.withResolvers<void>()
    const turn: Turn = { isShared, before: this.#last.get(key)?.over, over: promise, end: resolve, running: 0 }
    this.#last.set(key, turn)
    return turn
  }

  async #take<T>(key: K, turn: Turn, work: () => Promise<T>): Promise<T> {
    turn.running++
    try {
      await turn.before
      return await work()
    } finally {
      if (--turn.running === 0) {
        turn.end()
        if (this.#last.get(key) === turn) this.#last.delete(key)
      }
    }
  }
}
