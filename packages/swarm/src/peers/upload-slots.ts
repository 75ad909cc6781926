import type { Clock } from '../clock.ts'

/**
 * Chunks that a node sends at the same time, to all its peers together. A chunk can be passed on once it is whole: sent to
 * all at once, all are late. With too few the link is idle while they wait for peers that receive from many. See
 * docs/decisions/simulated-defaults.md.
 */
export const UPLOAD_SLOTS = 6
/** A chunk that takes longer than those before it did by this factor has a slow receiver, and keeps nobody waiting. */
const SLOW_FACTOR = 2
/** No receiver is slow before this. */
export const MIN_LEASE_MS = 250
/** Every one is after this. */
export const MAX_LEASE_MS = 2_000
/** Weight of a new measurement. */
const SMOOTHING = 0.25
/** Who has waited for this long has its turn, however much it holds, ms. */
export const PATIENCE_MS = 1_000

/** A place among those that are sent to. */
export interface UploadSlot {
  /** So many bytes went out in it, and no more will. */
  release(bytes: number): void
}

/** Whoever waits for a slot. */
export interface SlotWaiter {
  /** What share of its blob it holds, 0 to 1. */
  readonly share: number
  /** There is one. @returns the bytes that are to be sent in it, at most; 0 when it is not needed after all */
  begin(slot: UploadSlot): number
}

/**
 * Lets peers have their turns, one chunk each: who holds least first, so that all go on at one pace and none ends long after the
 * others, and of equals who came first. A slow receiver has its place for a while only and
 * goes on beside the others: it must not keep the link idle.
 */
export class UploadSlots {
  readonly #clock: Clock
  /** With the times since when they wait, ms; who has waited longest first. */
  readonly #waiting = new Map<SlotWaiter, number>()
  #taken = 0
  /** What one place carries, smoothed, bytes per ms; undefined before the first chunk. */
  #rate: number | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Peers that wait for their turn. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Asks for a place; whoever waits already keeps its turn. It may be given at once. */
  request(waiter: SlotWaiter): void {
    if (!this.#waiting.has(waiter)) this.#waiting.set(waiter, this.#clock.now())
    this.#grant()
  }

  /** It is not needed any more. */
  withdraw(waiter: SlotWaiter): void {
    this.#waiting.delete(waiter)
  }

  #grant(): void {
    while (this.#taken < UPLOAD_SLOTS) {
      const waiter = this.#first()
      if (waiter === undefined) return
      this.#waiting.delete(waiter)
      this.#give(waiter)
    }
  }

  #first(): SlotWaiter | undefined {
    const now = this.#clock.now()
    let first: SlotWaiter | undefined
    let least = Number.POSITIVE_INFINITY
    for (const [waiter, since] of this.#waiting) {
      if (now - since >= PATIENCE_MS) return waiter
      const { share } = waiter
      if (share >= least) continue
      first = waiter
      least = share
    }
    return first
  }

  #give(waiter: SlotWaiter): void {
    const startedAt = this.#clock.now()
    let held = true
    let stopLease: () => void = () => undefined
    const giveUp = () => {
      if (!held) return
      held = false
      stopLease()
      this.#taken--
      this.#grant()
    }
    this.#taken++
    const bytes = waiter.begin({
      release: (sent) => {
        if (sent > 0) this.#measured(sent / Math.max(1, this.#clock.now() - startedAt))
        giveUp()
      }
    })
    if (bytes === 0) giveUp()
    else if (held) stopLease = this.#clock.after(this.#leaseMs(bytes), giveUp)
  }

  #leaseMs(bytes: number): number {
    const usual = this.#rate === undefined ? MAX_LEASE_MS : (SLOW_FACTOR * bytes) / this.#rate
    return Math.min(MAX_LEASE_MS, Math.max(MIN_LEASE_MS, usual))
  }

  #measured(rate: number): void {
    this.#rate = this.#rate === undefined ? rate : this.#rate + SMOOTHING * (rate - this.#rate)
  }
}
