/** Those who want to be told of one kind of event. */
export class Listeners<T> {
  readonly #listeners = new Set<(event: T) => void>()

  /** @returns what takes the listener away again. */
  add(listener: (event: T) => void): () => void {
    // Wrapped, so that one function given twice is two listeners.
    const own = (event: T): void => listener(event)
    this.#listeners.add(own)
    return () => {
      this.#listeners.delete(own)
    }
  }

  /** Tell all. A listener that throws harms neither the others nor the caller: its error is reported as uncaught. */
  emit(event: T): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        queueMicrotask(() => {
          throw error
        })
      }
    }
  }
}
