import type { Clock } from '@shoal/swarm'
import { EventQueue, type SimEvent } from './event-queue.ts'

/**
 * Steps that the product’s promises need at most until what an event has set off is done: a download that ends goes
 * through about twenty. A test holds that more change nothing.
 */
const SETTLING_STEPS = 40
/** Events between two looks at whether somebody wants the run to end, and how far it is. */
const EVENTS_PER_LOOK = 100_000

class Timer implements SimEvent {
  readonly settles = true
  readonly #simulation: Simulation
  readonly #task: () => void
  readonly #everyMs: number | undefined
  #cancelled = false

  constructor(simulation: Simulation, task: () => void, everyMs?: number) {
    this.#simulation = simulation
    this.#task = task
    this.#everyMs = everyMs
  }

  readonly cancel = (): void => {
    this.#cancelled = true
  }

  fire(): void {
    if (this.#cancelled) return
    if (this.#everyMs !== undefined) this.#simulation.at(this.#simulation.now() + this.#everyMs, this)
    this.#task()
  }
}

/** How a run goes on. */
export interface RunOptions {
  /** Asked after every event. */
  readonly until: () => boolean
  /** The latest moment of virtual time, ms. */
  readonly deadline: number
  /** Called now and then; may throw to end the run. */
  readonly look?: () => void
  /** @default SETTLING_STEPS */
  readonly settlingSteps?: number
}

/** Virtual time: it goes on from event to event, and stands still while one is dealt with. */
export class Simulation implements Clock {
  readonly #queue = new EventQueue()
  #now = 0
  #events = 0

  /** Milliseconds since the run began. */
  now(): number {
    return this.#now
  }

  /** Events dealt with so far. */
  get events(): number {
    return this.#events
  }

  at(time: number, event: SimEvent): void {
    this.#queue.add(Math.max(time, this.#now), event)
  }

  after(ms: number, task: () => void): () => void {
    const timer = new Timer(this, task)
    this.at(this.#now + ms, timer)
    return timer.cancel
  }

  every(ms: number, task: () => void): () => void {
    const timer = new Timer(this, task, ms)
    this.at(this.#now + ms, timer)
    return timer.cancel
  }

  /** Resolves after so many ms. */
  pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.after(ms, resolve)
    return promise
  }

  /** Goes on until the end. @returns whether the condition was met before the deadline */
  async run(options: RunOptions): Promise<boolean> {
    const { until, deadline, look, settlingSteps = SETTLING_STEPS } = options
    // What the caller has set off is done first.
    for (let step = 0; step < settlingSteps; step++) await undefined
    while (!until()) {
      const at = this.#queue.nextAt
      if (at > deadline) return false
      const event = this.#queue.next()
      if (event === undefined) return false
      this.#now = at
      event.fire()
      // What the product puts off to a microtask belongs to this moment.
      await undefined
      if (event.settles === true) for (let step = 1; step < settlingSteps; step++) await undefined
      if (++this.#events % EVENTS_PER_LOOK === 0) {
        look?.()
        // Signals and timers of the process are looked at only here.
        await new Promise(setImmediate)
      }
    }
    return true
  }
}
