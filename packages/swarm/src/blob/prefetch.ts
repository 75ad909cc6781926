import type { Digest } from '@shoal/oci'

/** Blobs that are brought here at the same time without anybody waiting for them. */
export const MAX_PREFETCHES = 8
/** Blobs that wait for that; what comes beyond is only fetched when it is asked for. */
export const MAX_WAITING_PREFETCHES = 512

/**
 * Blobs that are likely to be asked for soon, brought here a few at a time in the order in which they were named. Pure
 * but for the `fetch` that it is given.
 */
export class Prefetch {
  readonly #waiting = new Set<Digest>()
  readonly #fetch: (digest: Digest) => Promise<unknown>
  #active = 0
  #stopped = false

  /** @param fetch brings a blob here; settles when that has ended, well or not */
  constructor(fetch: (digest: Digest) => Promise<unknown>) {
    this.#fetch = fetch
  }

  get waiting(): number {
    return this.#waiting.size
  }

  add(digest: Digest): void {
    if (this.#stopped || this.#waiting.size >= MAX_WAITING_PREFETCHES) return
    this.#waiting.add(digest)
    this.#next()
  }

  /** Somebody waits for a blob now, and sees to it. */
  remove(digest: Digest): void {
    this.#waiting.delete(digest)
  }

  stop(): void {
    this.#stopped = true
    this.#waiting.clear()
  }

  #next(): void {
    while (this.#active < MAX_PREFETCHES) {
      const [digest] = this.#waiting
      if (digest === undefined) return
      this.#waiting.delete(digest)
      this.#active++
      const over = () => {
        this.#active--
        this.#next()
      }
      this.#fetch(digest).then(over, over)
    }
  }
}
