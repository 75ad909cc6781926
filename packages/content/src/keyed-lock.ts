/** Lets work on one key run one at a time, in order, while different keys do not wait for each other. */
export class KeyedLock<K> {
  readonly #tails = new Map<K, Promise<unknown>>()

  async run<T>(key: K, work: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key)
    const result = before === undefined ? work() : before.then(work)
    const tail = result.then(
      () => undefined,
      () => undefined
    )
    this.#tails.set(key, tail)
    try {
      return await result
    } finally {
      if (this.#tails.get(key) === tail) this.#tails.delete(key)
    }
  }
}
