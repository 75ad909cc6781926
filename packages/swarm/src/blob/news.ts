import type { Clock } from '../clock.ts'

/** Chunks that come within this time are told of in one message: each costs both sides more than its few bytes. */
export const HAVE_BATCH_MS = 50
/** The same when no other agent here holds one of them: the others may have nothing else to ask for. */
export const RARE_HAVE_BATCH_MS = 5

/** Chunks that came and that nobody was told of yet: those that come together are told of together. */
export class News {
  readonly #clock: Clock
  readonly #tell: (indexes: readonly number[]) => void
  readonly #indexes: number[] = []
  /** When they will be told of; undefined when there are none. */
  #at: number | undefined

  /** @param tell passes on chunks that came together */
  constructor(clock: Clock, tell: (indexes: readonly number[]) => void) {
    this.#clock = clock
    this.#tell = tell
  }

  /** A chunk has come; `rare` when no agent at hand holds it. */
  add(index: number, rare: boolean): void {
    this.#indexes.push(index)
    const delay = rare ? RARE_HAVE_BATCH_MS : HAVE_BATCH_MS
    const at = this.#clock.now() + delay
    if (this.#at !== undefined && this.#at <= at) return
    this.#at = at
    this.#clock.after(delay, () => {
      if (this.#at !== at) return
      this.#at = undefined
      this.#tell(this.#indexes.splice(0))
    })
  }
}
