/** Bytes that are read at once on the main thread at most. From the page cache that takes about 50 µs. */
export const QUICK_READ_BYTES = 256 * 1024
/** A read that took longer came from the disk, or from a busy one. */
export const SLOW_READ_MS = 1
/** After a slow read, no other waits on the main thread for this many times as long as it took. */
export const SLOW_READ_PENALTY = 50

/**
 * Decides which work on files is done on the main thread. A read that the page cache answers is over sooner than it
 * could be handed to another thread, and costs half as much; one that waits for a disk would hold up everything else.
 * Nobody can tell before. So the first slow read sends all reads of the store to other threads for fifty times as long:
 * the main thread waits for disks during two percent of the time at most, and where all is in memory it never stops
 * reading for itself.
 */
export class ReadPace {
  readonly #now: () => number
  #slowUntil = Number.NEGATIVE_INFINITY

  /** @param now milliseconds of a clock that does not jump, with fractions. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Whether so many bytes may be read on the main thread now; 0 for work that moves none, such as opening a file. */
  mayWait(bytes: number): boolean {
    return bytes <= QUICK_READ_BYTES && this.#now() >= this.#slowUntil
  }

  /** Do something with a file on the main thread, and mind how long it takes. */
  time<T>(work: () => T): T {
    const startedAt = this.#now()
    const result = work()
    const endedAt = this.#now()
    const tookMs = endedAt - startedAt
    if (tookMs > SLOW_READ_MS) this.#slowUntil = endedAt + tookMs * SLOW_READ_PENALTY
    return result
  }
}
