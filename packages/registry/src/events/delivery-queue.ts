import type { Waiting } from './event-log.ts'

/** What one webhook may have waiting. */
export interface QueueBounds {
  readonly events: number
  readonly bytes: number
}

interface Lane {
  readonly repository: string
  items: Waiting[]
  head: number
  /** Being sent, or waiting for the next try. */
  busy: boolean
}

/** The events that wait for one webhook: in order within a repository, and repositories in turn. */
export class DeliveryQueue {
  readonly #bounds: QueueBounds
  readonly #lanes = new Map<string, Lane>()
  readonly #ready = new Set<Lane>()
  readonly #waiting = new Map<number, Waiting>()
  /** As they came; those that are gone are passed over. */
  #order: Waiting[] = []
  #head = 0
  #bytes = 0

  constructor(bounds: QueueBounds) {
    this.#bounds = bounds
  }

  get size(): number {
    return this.#waiting.size
  }

  get bytes(): number {
    return this.#bytes
  }

  has(seq: number): boolean {
    return this.#waiting.has(seq)
  }

  /** The one that waits longest. */
  get oldest(): Waiting | undefined {
    for (; this.#head < this.#order.length; this.#head++) {
      const first = this.#order[this.#head]
      if (first !== undefined && this.#waiting.get(first.seq) === first) return first
    }
    return undefined
  }

  /** @returns those that had to go for it, the oldest */
  add(event: Waiting): Waiting[] {
    if (this.has(event.seq)) return []
    this.#compact()
    this.#waiting.set(event.seq, event)
    this.#order.push(event)
    this.#bytes += event.bytes
    const lane = this.#lanes.get(event.repository) ?? { repository: event.repository, items: [], head: 0, busy: false }
    this.#lanes.set(event.repository, lane)
    lane.items.push(event)
    if (!lane.busy) this.#ready.add(lane)
    const dropped: Waiting[] = []
    while (this.size > this.#bounds.events || this.#bytes > this.#bounds.bytes) {
      const { oldest } = this
      if (oldest === undefined) break
      this.remove(oldest.seq)
      dropped.push(oldest)
    }
    return dropped
  }

  /** Forget an event, wherever it stands. */
  remove(seq: number): void {
    const event = this.#waiting.get(seq)
    if (event === undefined) return
    this.#waiting.delete(seq)
    this.#bytes -= event.bytes
  }

  /** The first event of a repository that nothing is being done for. That repository is busy until `release`. */
  take(): Waiting | undefined {
    for (const lane of this.#ready) {
      this.#ready.delete(lane)
      const event = this.#first(lane)
      if (event === undefined) {
        this.#lanes.delete(lane.repository)
        continue
      }
      lane.busy = true
      return event
    }
    return undefined
  }

  /** The next event of this repository may be taken. */
  release(repository: string): void {
    const lane = this.#lanes.get(repository)
    if (lane === undefined) return
    lane.busy = false
    this.#ready.add(lane)
  }

  #first(lane: Lane): Waiting | undefined {
    for (; lane.head < lane.items.length; lane.head++) {
      const event = lane.items[lane.head]
      if (event === undefined || this.#waiting.get(event.seq) !== event) continue
      if (lane.head > 1000 && lane.head * 2 > lane.items.length) {
        lane.items = lane.items.slice(lane.head)
        lane.head = 0
      }
      return event
    }
    return undefined
  }

  #compact(): void {
    if (this.#order.length < 1000 || this.#order.length < 2 * this.size) return
    this.#order = this.#order.filter((event) => this.#waiting.get(event.seq) === event)
    this.#head = 0
  }
}
