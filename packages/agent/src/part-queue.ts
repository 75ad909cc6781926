import type { Clock } from '@shoal/swarm'
import type { FillAnswer, Part } from './fill-client.ts'

/** Parts that were begun and not read yet. */
export const PARTS_AHEAD = 8
/**
 * Who read the blob alone goes over to parts, when others come, once there are parts of all but so much of what he has:
 * until they are made he need not wait for them. Bytes.
 */
export const PARTS_BEHIND_BYTES = 16 * 1024 * 1024
/** The registry is asked for parts again, after it could not be, for so long. */
const PATIENCE_MS = 30_000
const RETRY_MS = 500

/** A part, and where in the blob it is. */
export interface PlacedPart extends Part {
  /** Bytes of the blob before it. */
  readonly at: number
}

/** What a queue needs. */
export interface PartQueueInit {
  /** Asks for the parts from number `after` on. */
  readonly ask: (after: number) => Promise<FillAnswer | undefined>
  /** The name under which the parts are shared. */
  readonly sharing: string
  /** Whether nobody else wants the blob yet. */
  readonly alone: boolean
  /** Called for each part as soon as it is known and there is room. */
  readonly begin: (part: PlacedPart) => void
  readonly clock: Clock
  readonly signal: AbortSignal
}

/** The parts of one blob in their order. The registry is asked for the next ones while the first ones are read. */
export class PartQueue {
  readonly #init: PartQueueInit
  readonly #waiting: PlacedPart[] = []
  #known = 0
  /** Bytes of the blob up to the end of the last known part. */
  #end = 0
  #isAlone: boolean
  #isOver = false
  #isEnded = false
  #failure: unknown
  #news = Promise.withResolvers<void>()
  #room = Promise.withResolvers<void>()

  constructor(init: PartQueueInit) {
    this.#init = init
    this.#isAlone = init.alone
    void this.#run()
  }

  /**
   * Say that the blob is here up to a position: parts before it are passed over.
   *
   * @returns whether it is to be read on without parts
   */
  passes(position: number): boolean {
    while (this.#waiting[0] !== undefined && isBefore(this.#waiting[0], position)) this.#waiting.shift()
    this.#room.resolve()
    return this.#isAlone || this.#end + PARTS_BEHIND_BYTES < position
  }

  /** No parts are wanted any more. */
  end(): void {
    this.#isEnded = true
    this.#room.resolve()
  }

  /** @throws what asking the registry throws, when that goes on for too long */
  async *parts(): AsyncGenerator<PlacedPart, void, void> {
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
      while (!this.#isOver && !this.#isEnded) {
        const { alone, over, parts } = await this.#more()
        this.#isAlone = alone
        for (const part of parts) await this.#add(part)
        this.#isOver = over
      }
    } catch (error) {
      this.#failure = error
    }
    this.#tell()
  }

  async #add(part: Part): Promise<void> {
    while (this.#waiting.length >= PARTS_AHEAD && !this.#isEnded) {
      this.#room = Promise.withResolvers<void>()
      await this.#room.promise
    }
    if (this.#isEnded) return
    const placed = { ...part, at: this.#end }
    this.#known++
    this.#end += part.size
    this.#init.begin(placed)
    this.#waiting.push(placed)
    this.#tell()
  }

  #tell(): void {
    this.#news.resolve()
    this.#news = Promise.withResolvers<void>()
  }

  async #more(): Promise<Pick<FillAnswer, 'alone' | 'over' | 'parts'>> {
    const { ask, clock, sharing, signal } = this.#init
    const since = clock.now()
    for (;;) {
      signal.throwIfAborted()
      try {
        const answer = await ask(this.#known)
        // Another sharing, or none, is of another try: what came here is of this one, and the digest tells in the end.
        return answer?.sharing === sharing ? answer : { parts: [], over: true, alone: true }
      } catch (error) {
        signal.throwIfAborted()
        if (clock.now() - since > PATIENCE_MS) throw error
        await new Promise<void>((resolve) => clock.after(RETRY_MS, resolve))
      }
    }
  }
}

/** Whether a part ends before a position. */
export function isBefore({ at, size }: PlacedPart, position: number): boolean {
  return at + size <= position
}
