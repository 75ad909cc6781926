import type { Clock } from '@shoal/swarm'
import type { NewEvent } from './event.ts'

/** Pulls of the same thing by the same user within this time are one event, with their number. */
export const PULL_WINDOW_MS = 1000
/** Different pulls that are gathered at most; more are written at once. */
export const PULLS_GATHERED_MAX = 1000

/** What pulls are gathered with. */
export interface PullEventsInit {
  readonly write: (events: readonly NewEvent[]) => Promise<void>
  readonly clock: Clock
  /** So many pulls could not be kept. */
  readonly onLost: (events: number, error: unknown) => void
}

/** Gathers pulls for a moment, so that a layer which is read in many ranges, or by a fleet, is one event. */
export class PullEvents {
  readonly #init: PullEventsInit
  #gathered = new Map<string, { event: NewEvent; count: number }>()
  #cancel: (() => void) | undefined
  #writing: Promise<void> | undefined

  constructor(init: PullEventsInit) {
    this.#init = init
  }

  note(event: NewEvent): void {
    const key = `${event.repository}:${event.digest ?? ''}:${event.tag ?? ''}:${event.kind}:${event.actor ?? ''}`
    const known = this.#gathered.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    if (this.#gathered.size >= PULLS_GATHERED_MAX) {
      if (this.#writing !== undefined) {
        this.#init.onLost(1, new Error('pulls come faster than they can be written'))
        return
      }
      void this.flush()
    }
    this.#gathered.set(key, { event, count: 1 })
    this.#cancel ??= this.#init.clock.after(PULL_WINDOW_MS, () => void this.flush())
  }

  /** Write what was gathered. Never throws. */
  async flush(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    await this.#writing
    const gathered = [...this.#gathered.values()]
    this.#gathered = new Map()
    if (gathered.length === 0) return
    const work = this.#write(gathered.map(({ count, event }) => (count === 1 ? event : { ...event, count })))
    this.#writing = work
    await work
    if (this.#writing === work) this.#writing = undefined
  }

  async #write(events: readonly NewEvent[]): Promise<void> {
    try {
      await this.#init.write(events)
    } catch (error) {
      this.#init.onLost(events.length, error)
    }
  }
}
