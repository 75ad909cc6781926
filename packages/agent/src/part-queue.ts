import type { Clock } from '@shoal/swarm'
import type { FillAnswer, Part } from './fill-client.ts'

/** Parts that were begun and not read yet. */
export const PARTS_AHEAD = 8
/** The registry is asked for parts again, after it could not be, for so long. */
const PATIENCE_MS = 30_000
const RETRY_MS = 500

/** What a queue needs. */
export interface PartQueueInit {
  /** Asks for the parts from number `after` on. */
  readonly ask: (after: number) => Promise<FillAnswer | undefined>
  /** The name under which the parts are shared. */
  readonly sharing: string
  /** Called for each part as soon as it is known and there is room. */
  readonly begin: (part: Part) => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** The parts of one blob in their order. The registry is asked for the next ones while the first ones are read. */
export class PartQueue {
  readonly #init: PartQueueInit
  readonly #waiting: Part[] = []
  #known = 0
  #isOver = false
  #failure: unknown
  #news = Promise.withResolvers<void>()
  #room = Promise.withResolvers<void>()

  constructor(init: PartQueueInit) {
    this.#init = init
    void this.#run()
  }

  /** @throws what asking the registry throws, when that goes on for too long */
  async *parts(): AsyncGenerator<Part, void, void> {
    for (;;) {
      const part = this.#waiting.shift()
      if (part !== undefined) {
        this.#room.resolve()
        yield part
      } else if (this.#failure !== undefined) throw this.#failure
      else if (this.#isOver) return
      else await this.#news.promise
    }
  }

  /** Never throws. */
  async #run(): Promise<void> {
    try {
      while (!this.#isOver) {
        const { over, parts } = await this.#more()
        for (const part of parts) {
          while (this.#waiting.length >= PARTS_AHEAD) {
            this.#room = Promise.withResolvers<void>()
            await this.#room.promise
          }
          this.#known++
          this.#init.begin(part)
          this.#waiting.push(part)
          this.#tell()
        }
        this.#isOver = over
      }
    } catch (error) {
      this.#failure = error
    }
    this.#tell()
  }

  #tell(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers<void>()
  }

  async #more(): Promise<Pick<FillAnswer, 'over' | 'parts'>> {
    const { ask, clock, sharing, signal } = this.#init
    const since = clock.now()
    for (;;) {
      signal.throwIfAborted()
      try {
        const answer = await ask(this.#known)
        // Another sharing, or none, is of another try: what came here is of this one, and the digest tells in the end.
        return answer?.sharing === sharing ? answer : { parts: [], over: true }
      } catch (error) {
        signal.throwIfAborted()
        if (clock.now() - since > PATIENCE_MS) throw error
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
      }
    }
  }
}
