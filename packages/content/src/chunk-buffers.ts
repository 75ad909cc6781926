import { ChunkBuffer } from './chunk-buffer.ts'
import { MAX_CHUNK_SIZE_BYTES } from './chunk-sizing.ts'

/** The smallest memory that is handed out: what a piece of a chunk needs. */
export const MIN_CHUNK_BUFFER_BYTES = 128 * 1024
/** Free memory kept for the next chunks; more is left to the garbage collector. */
export const CHUNK_BUFFERS_KEEP_BYTES = 32 * 1024 * 1024

/** What a pool may be told. */
export interface ChunkBuffersInit {
  /** Free memory kept for reuse, bytes. @default CHUNK_BUFFERS_KEEP_BYTES, 32 MiB */
  readonly keepBytes?: number
  /** Called whenever memory is taken or comes back. */
  readonly onUse?: () => void
}

/**
 * Memory for chunks that is used again, because allocating and clearing it costs more than filling it. It comes in
 * powers of two from a piece to the largest chunk. What is handed out is not limited here: that is for those who ask.
 */
export class ChunkBuffers {
  readonly #keepBytes: number
  readonly #onUse: (() => void) | undefined
  /** Free memory by its size; the size that was asked for last is at the end. */
  readonly #free = new Map<number, Buffer[]>()
  #usedBytes = 0
  #freeBytes = 0

  constructor(init?: ChunkBuffersInit) {
    this.#keepBytes = init?.keepBytes ?? CHUNK_BUFFERS_KEEP_BYTES
    this.#onUse = init?.onUse
  }

  /** Memory that is held by somebody, bytes. Holds that were forgotten count for ever. */
  get usedBytes(): number {
    return this.#usedBytes
  }

  /** Memory kept for the next one who asks, bytes. */
  get freeBytes(): number {
    return this.#freeBytes
  }

  /**
   * Memory for `length` bytes, with whatever was in it before.
   *
   * @throws RangeError for a length that is not between 1 byte and the largest chunk (4 MiB).
   */
  take(length: number): ChunkBuffer {
    if (!Number.isInteger(length) || length < 1 || length > MAX_CHUNK_SIZE_BYTES) {
      throw new RangeError(`a chunk of ${length} bytes is not between 1 and ${MAX_CHUNK_SIZE_BYTES} bytes`)
    }
    const capacity = capacityFor(length)
    const memory = this.#takeFree(capacity) ?? Buffer.allocUnsafeSlow(capacity)
    this.#usedBytes += capacity
    this.#onUse?.()
    return new ChunkBuffer(memory.subarray(0, length), capacity, () => this.#give(memory))
  }

  /** Leave the free memory to the garbage collector. */
  trim(): void {
    this.#free.clear()
    this.#freeBytes = 0
  }

  #takeFree(capacity: number): Buffer | undefined {
    const free = this.#free.get(capacity) ?? []
    this.#free.delete(capacity)
    this.#free.set(capacity, free)
    const memory = free.pop()
    if (memory !== undefined) this.#freeBytes -= capacity
    return memory
  }

  #give(memory: Buffer): void {
    this.#usedBytes -= memory.length
    const free = this.#free.get(memory.length)
    if (free === undefined) this.#free.set(memory.length, [memory])
    else free.push(memory)
    this.#freeBytes += memory.length
    // A size that nobody asks for any more should not keep out the one that is asked for now.
    for (const [capacity, unused] of this.#free) {
      while (this.#freeBytes > this.#keepBytes && unused.pop() !== undefined) this.#freeBytes -= capacity
    }
    this.#onUse?.()
  }
}

function capacityFor(length: number): number {
  let capacity = MIN_CHUNK_BUFFER_BYTES
  while (capacity < length) capacity *= 2
  return capacity
}
