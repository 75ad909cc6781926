import { setTimeout as sleep } from 'node:timers/promises'

/** What came is passed on to those who wait for it after this time, however little it is. */
export const FLUSH_MS = 50

/**
 * A stream in runs, each to be read to its end before the next one. A run ends after some time even if the stream has
 * nothing new: whoever collects bytes until they are many can be done with those that came.
 */
export class FlushedRuns {
  readonly #iterator: AsyncIterator<Uint8Array, unknown>
  readonly #flushMs: number
  #next: Promise<IteratorResult<Uint8Array, unknown>> | undefined
  #isOver = false

  constructor(source: AsyncIterable<Uint8Array>, flushMs = FLUSH_MS) {
    this.#iterator = source[Symbol.asyncIterator]()
    this.#flushMs = flushMs
  }

  /** Whether the stream has come to its end, or broken. */
  get over(): boolean {
    return this.#isOver
  }

  /** @throws what the stream throws */
  async *run(): AsyncGenerator<Uint8Array, void, void> {
    const timer = new AbortController()
    let due: Promise<'due'> | undefined
    try {
      for (;;) {
        const next = this.#pull()
        const result = due === undefined ? await next : await Promise.race([next, due])
        if (result === 'due') return
        this.#next = undefined
        if (result.done === true) {
          this.#isOver = true
          return
        }
        yield result.value
        due ??= sleep(this.#flushMs, 'due' as const, { signal: timer.signal }).catch(() => 'due' as const)
      }
    } finally {
      timer.abort()
    }
  }

  /** Let go of the stream, wherever it is. */
  end(): void {
    if (this.#isOver) return
    this.#isOver = true
    // Not waited for: a stream that gives no sign of life does not end either.
    void Promise.allSettled([this.#iterator.return?.()])
  }

  #pull(): Promise<IteratorResult<Uint8Array, unknown>> {
    if (this.#next === undefined) {
      this.#next = this.#iterator.next()
      // Nobody may be waiting when it breaks.
      this.#next.catch(() => {
        this.#isOver = true
      })
    }
    return this.#next
  }
}
