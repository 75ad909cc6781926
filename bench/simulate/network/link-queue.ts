import type { Simulation } from '../engine/simulation.ts'

const BITS_PER_BYTE = 8
const BITS_PER_MBIT = 1e6
const MS_PER_SECOND = 1000

/** Milliseconds that one byte takes at a rate. */
export function msPerByte(mbit: number): number {
  return (BITS_PER_BYTE * MS_PER_SECOND) / (mbit * BITS_PER_MBIT)
}

/** A line that passes on what comes in the order in which it comes: a node's way in, or the way between two zones. */
export class LinkQueue {
  readonly #simulation: Simulation
  readonly #msPerByte: number
  #freeAt = 0
  /** Bytes that were passed on. */
  bytes = 0

  constructor(simulation: Simulation, mbit: number) {
    this.#simulation = simulation
    this.#msPerByte = msPerByte(mbit)
  }

  /** When so many bytes that come at a time have been passed on, ms. */
  pass(bytes: number, at = this.#simulation.now()): number {
    this.bytes += bytes
    this.#freeAt = Math.max(this.#freeAt, at) + bytes * this.#msPerByte
    return this.#freeAt
  }

  /** How long what comes now would wait, ms. */
  get backlogMs(): number {
    return Math.max(0, this.#freeAt - this.#simulation.now())
  }

  /**
   * When a message that comes at a time has been passed on, ms. It waits as long as the line's queue is at most: what is
   * beyond that has not been sent yet in truth, for TCP sends no faster than it hears.
   */
  passMessage(bytes: number, at: number, queueMs: number): number {
    return Math.min(this.pass(bytes, at), at + queueMs + bytes * this.#msPerByte)
  }
}
