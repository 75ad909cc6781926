import type { ChunkBuffer } from '@shoal/content'
import { WireError } from '../wire.ts'

interface Assembling {
  readonly chunk: ChunkBuffer
  received: number
  dropped: boolean
  /** A piece is being written: another lane must not be lent the same memory. */
  writing: boolean
}

/** Memory for one piece of a chunk. */
export interface Place {
  readonly target: Uint8Array
  /** The piece is there. @returns the chunk, to be released by the caller, when this was the last piece */
  filled(): ChunkBuffer | undefined
  /** The piece will not come to its end. */
  abandoned(): void
}

/**
 * Puts the pieces of chunks that one peer sends of one blob into chunks. Pieces of a chunk come in order. The memory of a
 * chunk is not given back while a piece is still being written to it.
 */
export class Assembly {
  readonly #chunks = new Map<number, Assembling>()

  /** Whether the first piece of chunk `index` has come. */
  has(index: number): boolean {
    return this.#chunks.has(index)
  }

  /** Makes room for a chunk whose first piece is coming. The caller has checked that it was asked for. */
  begin(index: number, chunk: ChunkBuffer): void {
    this.#chunks.set(index, { chunk, received: 0, dropped: false, writing: false })
  }

  /**
   * Where the next piece of a chunk that was begun goes.
   *
   * @throws WireError when the piece does not follow the one before, or does not fit, or that one has not ended: a chunk
   *   travels whole on one lane
   */
  place(index: number, offset: number, length: number): Place {
    const assembling = this.#chunks.get(index)
    const { bytes } = assembling?.chunk ?? { bytes: new Uint8Array() }
    if (assembling === undefined || offset !== assembling.received || offset + length > bytes.length) {
      throw new WireError(`piece of ${length} bytes at ${offset} does not fit chunk ${index}`)
    }
    if (assembling.writing) throw new WireError(`chunk ${index} comes over two lanes at once`)
    const { chunk } = assembling
    assembling.writing = true
    chunk.retain()
    return {
      target: bytes.subarray(offset, offset + length),
      filled: () => {
        assembling.writing = false
        chunk.release()
        if (assembling.dropped) return undefined
        assembling.received += length
        if (assembling.received < bytes.length) return undefined
        this.#chunks.delete(index)
        return chunk
      },
      abandoned: () => {
        assembling.writing = false
        chunk.release()
      }
    }
  }

  /** A chunk begins again: forgets the pieces that had come of it. @returns their bytes; 0 when there were none */
  restart(index: number): number {
    const received = this.#chunks.get(index)?.received ?? 0
    if (received > 0) this.drop(index)
    return received
  }

  /** Forgets the pieces of a chunk. @returns whether there were any */
  drop(index: number): boolean {
    const assembling = this.#chunks.get(index)
    if (assembling === undefined) return false
    this.#chunks.delete(index)
    assembling.dropped = true
    assembling.chunk.release()
    return true
  }

  /** Forgets all pieces. */
  clear(): void {
    for (const index of [...this.#chunks.keys()]) this.drop(index)
  }
}
