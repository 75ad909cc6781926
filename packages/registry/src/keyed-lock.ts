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
}
