import { PICK_WINDOW_CHUNKS } from './chunk-picker.ts'

/** A reader that waits this long for the next chunk of the stream may ask any agent for it by number. */
export const HEAD_DEADLINE_MS = 500
/** After this time it may also ask the registry, whose choice of chunks serves all leeches best when it is left alone. */
export const HEAD_REGISTRY_DEADLINE_MS = 2_000
/** A reader far from the head of the stream has asked for a range: the registry may be asked after this time. */
export const RANGE_REGISTRY_DEADLINE_MS = 250
/** Chunks from the one that a range's reader waits for that are hurried too. */
export const RANGE_AHEAD_CHUNKS = 4

/** A chunk that somebody waits for. */
export interface UrgentChunk {
  readonly index: number
  /** Whether it is worth asking the registry for it by number. */
  readonly fromRegistry: boolean
}

/** Which chunks readers have waited for too long. Pure state: times are handed in, in ms. */
export class Deadlines {
  #since = new Map<number, number>()

  /**
   * @param awaited chunks that readers wait for at this moment
   * @param head the first chunk that is missing
   * @param count chunks of the blob
   * @returns what to ask for before anything else, most urgent first
   */
  urgent(awaited: Iterable<number>, head: number, count: number, now: number): UrgentChunk[] {
    const since = new Map<number, number>()
    for (const index of awaited) since.set(index, this.#since.get(index) ?? now)
    this.#since = since
    const urgent = new Map<number, UrgentChunk>()
    for (const [index, start] of [...since].sort((a, b) => a[1] - b[1])) {
      const waited = now - start
      if (index < head + PICK_WINDOW_CHUNKS) {
        if (waited >= HEAD_DEADLINE_MS) urgent.set(index, { index, fromRegistry: waited >= HEAD_REGISTRY_DEADLINE_MS })
        continue
      }
      const fromRegistry = waited >= RANGE_REGISTRY_DEADLINE_MS
      for (let ahead = index; ahead < Math.min(count, index + RANGE_AHEAD_CHUNKS); ahead++) {
        if (!urgent.has(ahead)) urgent.set(ahead, { index: ahead, fromRegistry })
      }
    }
    return [...urgent.values()]
  }
}
