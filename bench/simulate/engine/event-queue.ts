/** Something that happens at a moment of virtual time. */
export interface SimEvent {
  /** Whether promises are settled by it, which others wait for in several steps. */
  readonly settles?: boolean
  fire(): void
}

const FIRST_CAPACITY = 1024
/** Children of a place in the heap: four are fewer levels than two, and lie side by side in memory. */
const ARITY = 4

/**
 * Events in the order of their times, and at one time in the order in which they were added: so a run depends on nothing
 * but its seed. A heap over plain arrays: a run has some hundred million events.
 */
export class EventQueue {
  #times = new Float64Array(FIRST_CAPACITY)
  #numbers = new Float64Array(FIRST_CAPACITY)
  readonly #events: (SimEvent | undefined)[] = []
  #size = 0
  #added = 0

  get size(): number {
    return this.#size
  }

  /** Time of the next event, ms; infinite when there is none. */
  get nextAt(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] ?? 0)
  }

  add(at: number, event: SimEvent): void {
    if (this.#size === this.#times.length) this.#grow()
    const times = this.#times
    const numbers = this.#numbers
    const number = this.#added++
    let place = this.#size++
    while (place > 0) {
      const parent = (place - 1) >> 2
      const parentAt = times[parent] ?? 0
      if (parentAt <= at) break
      times[place] = parentAt
      numbers[place] = numbers[parent] ?? 0
      this.#events[place] = this.#events[parent]
      place = parent
    }
    times[place] = at
    numbers[place] = number
    this.#events[place] = event
  }

  /** Takes the next event out; undefined when there is none. */
  next(): SimEvent | undefined {
    if (this.#size === 0) return undefined
    const first = this.#events[0]
    const last = --this.#size
    const at = this.#times[last] ?? 0
    const number = this.#numbers[last] ?? 0
    const event = this.#events[last]
    this.#events[last] = undefined
    if (last > 0) this.#sink(at, number, event)
    return first
  }

  #sink(at: number, number: number, event: SimEvent | undefined): void {
    const times = this.#times
    const numbers = this.#numbers
    let place = 0
    for (;;) {
      const first = place * ARITY + 1
      if (first >= this.#size) break
      let least = first
      for (let child = first + 1; child < Math.min(first + ARITY, this.#size); child++) {
        if (isBefore(times[child], numbers[child], times[least], numbers[least])) least = child
      }
      if (!isBefore(times[least], numbers[least], at, number)) break
      times[place] = times[least] ?? 0
      numbers[place] = numbers[least] ?? 0
      this.#events[place] = this.#events[least]
      place = least
    }
    times[place] = at
    numbers[place] = number
    this.#events[place] = event
  }

  #grow(): void {
    const times = new Float64Array(this.#times.length * 2)
    const numbers = new Float64Array(times.length)
    times.set(this.#times)
    numbers.set(this.#numbers)
    this.#times = times
    this.#numbers = numbers
  }
}

function isBefore(at = 0, number = 0, otherAt = 0, otherNumber = 0): boolean {
  return at < otherAt || (at === otherAt && number < otherNumber)
}
