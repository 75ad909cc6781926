import type { Clock } from '../clock.ts'

/**
 * A registry that has sent a chunk to one leech does not send it to another that asks for it by number before this. Readers that
 * wait for the same chunk run out of patience together: without it each of them is sent a copy of its own, and with it they take it
 * from the first.
 */
export const REPEAT_AFTER_MS = 1_000

/** When each chunk of a blob was sent last, and to whom: one for each chunk at most. */
export class RepeatGate {
  readonly #clock: Clock
  readonly #afterMs: number
  readonly #sent = new Map<number, { readonly peer: string; readonly at: number }>()

  /** @param afterMs 0 for a node that sends to all who ask */
  constructor(clock: Clock, afterMs: number) {
    this.#clock = clock
    this.#afterMs = afterMs
  }

  /** A chunk is being sent. */
  sent(peer: string, index: number): void {
    if (this.#afterMs > 0) this.#sent.set(index, { peer, at: this.#clock.now() })
  }

  /** Whether a peer that asks for a chunk by number is sent it now. What it was sent before may have been lost. */
  admits(peer: string, index: number): boolean {
    const last = this.#sent.get(index)
    return last === undefined || last.peer === peer || this.#clock.now() - last.at >= this.#afterMs
  }
}
