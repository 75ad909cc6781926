import { WireError } from '../wire.ts'

interface Assembling {
  readonly chunk: Uint8Array
  received: number
}

/** Puts the pieces of chunks that one peer sends of one blob into chunks. Pieces of a chunk come in order. */
export class Assembly {
  readonly #chunks = new Map<number, Assembling>()

  /** Whether the first piece of chunk `index` has come. */
  has(index: number): boolean {
    return this.#chunks.has(index)
  }

  /** Chunk numbers of which some pieces have come. */
  get indexes(): Iterable<number> {
    return this.#chunks.keys()
  }

  /** Makes room for a chunk whose first piece is coming. The caller has checked that it was asked for. */
  begin(index: number, length: number): void {
    this.#chunks.set(index, { chunk: Buffer.allocUnsafeSlow(length), received: 0 })
  }

  /**
   * Where the next piece of a chunk that was begun goes.
   *
   * @throws WireError when the piece does not follow the one before, or does not fit
   */
  place(index: number, offset: number, length: number): Uint8Array {
    const assembling = this.#chunks.get(index)
    if (assembling === undefined || offset !== assembling.received || offset + length > assembling.chunk.length) {
      throw new WireError(`piece of ${length} bytes at ${offset} does not fit chunk ${index}`)
    }
    return assembling.chunk.subarray(offset, offset + length)
  }

  /** A piece has come. @returns the chunk when it was the last one */
  placed(index: number, length: number): Uint8Array | undefined {
    const assembling = this.#chunks.get(index)
    if (assembling === undefined) return undefined
    assembling.received += length
    if (assembling.received < assembling.chunk.length) return undefined
    this.#chunks.delete(index)
    return assembling.chunk
  }

  /** Forgets the pieces of a chunk. @returns whether there were any */
  drop(index: number): boolean {
    return this.#chunks.delete(index)
  }
}
