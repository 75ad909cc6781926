/** Lets work on one key run one at a time and in order. Work on different keys does not wait for each other. */
export class KeyedLock<K> {
  /** The last work of each key that has any, as something that never rejects. */
  readonly #last = new Map<K, Promise<void>>()

  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const before = this.#last.get(key)
    this.#last.set(key, promise)
    try {
      await before
      return await work()
    } finally {
      resolve()
      if (this.#last.get(key) === promise) this.#last.delete(key)
    }
  }

  /** Whether work on this key is under way or waits. */
  busy(key: K): boolean {
    return this.#last.has(key)
  }

  /** Resolves when the work is over that this key has now. */
  async idle(key: K): Promise<void> {
    await this.#last.get(key)
  }
}
