import type { Bitfield } from '@shoal/content'

/** Counts, for each chunk of a blob, how many of the peers at hand hold it. */
export class Availability {
  readonly #counts: Uint16Array

  constructor(chunkCount: number) {
    this.#counts = new Uint16Array(chunkCount)
  }

  /** Peers that hold chunk `index`. */
  of(index: number): number {
    return this.#counts[index] ?? 0
  }

  /** A peer holds one chunk more. */
  gain(index: number): void {
    this.#counts[index] = this.of(index) + 1
  }

  /** A peer holds one chunk less. */
  lose(index: number): void {
    this.#counts[index] = Math.max(0, this.of(index) - 1)
  }

  /** A peer with these chunks came (`by` 1) or went (`by` -1). */
  shift(have: Bitfield, by: 1 | -1): void {
    for (let index = 0; index < this.#counts.length; index++) {
      if (have.has(index)) this.#counts[index] = this.of(index) + by
    }
  }
}
