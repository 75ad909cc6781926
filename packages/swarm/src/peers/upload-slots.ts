import type { Clock } from '../clock.ts'

/**
 * Chunks that a node sends at once, over all peers. With few each is there soon and is passed on soon; with too few the
 * line is idle while they wait for peers that receive from many. See docs/decisions/simulated-defaults.md.
 */
export const UPLOAD_SLOTS = 6
/** A chunk that takes longer than this gives its slot up, and goes on without one: a slow peer must not keep out the others. */
export const MIN_SLOT_MS = 500
/** The same, in usual times: where the node's own line is slow, all chunks take long. */
const SLOT_TIMES = 2
/** Weight of a new measurement. */
const SMOOTHING = 0.1

/** Somebody who waits for a slot. */
export interface SlotUser {
  /** There is room: it may try again. */
  serveMore(): void
}

/** Lets only so many chunks go out at a time, and others take their turns. */
export class UploadSlots {
  readonly #clock: Clock
  readonly #waiting = new Set<SlotUser>()
  #used = 0
  #usualMs = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /**
   * Takes a slot.
   *
   * @returns a function that gives it back, to be called once; undefined when there is none free, and then the user is told
   * as soon as there is
   */
  take(user: SlotUser): (() => void) | undefined {
    if (this.#used >= UPLOAD_SLOTS) {
      this.#waiting.add(user)
      return undefined
    }
    this.#waiting.delete(user)
    this.#used++
    const takenAt = this.#clock.now()
    let held = true
    const giveUp = () => {
      held = false
      this.#used--
      this.#wake()
    }
    const cancel = this.#clock.after(Math.max(MIN_SLOT_MS, SLOT_TIMES * this.#usualMs), giveUp)
    return () => {
      cancel()
      const tookMs = this.#clock.now() - takenAt
      this.#usualMs += SMOOTHING * (tookMs - this.#usualMs)
      if (held) giveUp()
    }
  }

  #wake(): void {
    for (const user of this.#waiting) {
      if (this.#used >= UPLOAD_SLOTS) return
      this.#waiting.delete(user)
      user.serveMore()
    }
  }
}
