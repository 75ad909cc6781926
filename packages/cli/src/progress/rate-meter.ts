/** Over how long a rate is averaged. */
export const RATE_WINDOW_MS = 3000
/** Samples nearer together than this are one. */
const SAMPLE_MIN_MS = 100

/** The rate of something that grows, over the last {@link RATE_WINDOW_MS}. */
export class RateMeter {
  #samples: { at: number; bytes: number }[] = []

  /** Notes that `bytes` have been reached in all at `now` (ms). */
  note(bytes: number, now: number): void {
    const last = this.#samples.at(-1)
    const before = this.#samples.at(-2)
    if (last !== undefined && before !== undefined && last.at - before.at < SAMPLE_MIN_MS) this.#samples.pop()
    this.#samples.push({ at: now, bytes })
    this.#forget(now)
  }

  /** Bytes per second now; 0 as long as nothing is known. */
  rate(now: number): number {
    this.#forget(now)
    const [first] = this.#samples
    const last = this.#samples.at(-1)
    if (first === undefined || last === undefined || now <= first.at) return 0
    return ((last.bytes - first.bytes) * 1000) / (now - first.at)
  }

  #forget(now: number): void {
    // One sample from before the window stays: the rate begins there.
    while (this.#samples.length > 1 && (this.#samples[1]?.at ?? now) < now - RATE_WINDOW_MS) this.#samples.shift()
  }
}
