import type { Clock } from '../src/clock.ts'

/** A clock that stands still until it is told to go on. */
export class ManualClock implements Clock {
  #now = 0
  readonly #tasks = new Set<{ at: number; everyMs: number | undefined; task: () => void }>()

  now(): number {
    return this.#now
  }

  after(ms: number, task: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: undefined, task })
  }

  every(ms: number, task: () => void): () => void {
    return this.#add({ at: this.#now + ms, everyMs: ms, task })
  }

  #add(entry: { at: number; everyMs: number | undefined; task: () => void }): () => void {
    this.#tasks.add(entry)
    return () => this.#tasks.delete(entry)
  }

  /** Tasks that are due some time. */
  get waiting(): number {
    return this.#tasks.size
  }

  advance(ms: number): void {
    const until = this.#now + ms
    for (;;) {
      const next = [...this.#tasks].filter(({ at }) => at <= until).sort((a, b) => a.at - b.at)[0]
      if (next === undefined) break
      this.#now = next.at
      if (next.everyMs === undefined) this.#tasks.delete(next)
      else next.at += next.everyMs
      next.task()
    }
    this.#now = until
  }
}
