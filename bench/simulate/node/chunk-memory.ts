import { ChunkBuffer, MAX_CHUNK_SIZE_BYTES } from '@shoal/content'

/** Chunks that may be in memory at once, over all nodes. */
const MAX_CHUNKS = 2 ** 22

/** What stands in the first byte of a chunk: the only one that each has to itself. */
export const RIGHT = 0
export const WRONG = 1

/**
 * Memory for the chunks of ten thousand nodes: they overlap, so that a chunk takes one byte, its first. That byte says
 * whether the chunk is right, and nothing else of a chunk is ever looked at.
 */
export class ChunkMemory {
  readonly #memory = Buffer.allocUnsafeSlow(MAX_CHUNK_SIZE_BYTES + MAX_CHUNKS)
  readonly #free: number[] = []
  #used = 0

  /** @throws RangeError when too many are in use: somebody does not release them */
  take(length: number): ChunkBuffer {
    const place = this.#free.pop() ?? this.#used++
    if (place >= MAX_CHUNKS) throw new RangeError(`more than ${MAX_CHUNKS} chunks are in memory at once`)
    const bytes = this.#memory.subarray(place, place + length)
    return new ChunkBuffer(bytes, length, () => this.#free.push(place))
  }
}
