/** A body up to this size waits for nobody, bytes: manifests are a few KiB. */
export const SMALL_BODY_BYTES = 64 * 1024
/** Memory of the larger bodies that are read and parsed at a time, bytes; the next ones wait. */
export const LARGE_BODIES_BYTES = 32 * 1024 * 1024

/** Bounds the memory of bodies that are read whole, however many clients send one. */
export class BodyMemory {
  #free = LARGE_BODIES_BYTES
  readonly #waiting: { readonly bytes: number; readonly go: () => void }[] = []

  /** Do `work` with a body of up to so many bytes, when there is room for it; in order. */
  async using<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    if (bytes <= SMALL_BODY_BYTES) return await work()
    const claim = Math.min(bytes, LARGE_BODIES_BYTES)
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#waiting.push({ bytes: claim, go: resolve })
    this.#admit()
    await promise
    try {
      return await work()
    } finally {
      this.#free += claim
      this.#admit()
    }
  }

  #admit(): void {
    for (let next = this.#waiting[0]; next !== undefined && next.bytes <= this.#free; next = this.#waiting[0]) {
      this.#waiting.shift()
      this.#free -= next.bytes
      next.go()
    }
  }
}
