import { createHash, type Hash } from 'node:crypto'
import { randomBytes } from '../../test/harness/random-bytes.ts'

const BLOCK_BYTES = 1024 * 1024
/** The end of a blob, in which it differs from the others. */
const TAIL_BYTES = 32

/**
 * Blobs of one size that differ in their last bytes, so that making and hashing thousands of them costs the load
 * process next to nothing: all share one block, which is sent again and again.
 */
export class Payload {
  readonly size: number
  readonly #salt: string
  readonly #block: Uint8Array
  readonly #common: Hash

  /** @param size bytes, at least as many as the part in which blobs differ */
  constructor(size: number, salt: string) {
    if (size < TAIL_BYTES) throw new RangeError(`a blob of ${size} bytes cannot differ from others`)
    this.size = size
    this.#salt = salt
    this.#block = Buffer.concat([...randomBytes('registry bench', BLOCK_BYTES)])
    this.#common = createHash('sha256')
    for (const piece of this.#commonPieces()) this.#common.update(piece)
  }

  digest(index: number): string {
    return `sha256:${this.#common.copy().update(this.#tail(index)).digest('hex')}`
  }

  *pieces(index: number): Generator<Uint8Array> {
    yield* this.#commonPieces()
    yield this.#tail(index)
  }

  *#commonPieces(): Generator<Uint8Array> {
    for (let left = this.size - TAIL_BYTES; left > 0; left -= this.#block.length) {
      yield this.#block.subarray(0, Math.min(left, this.#block.length))
    }
  }

  #tail(index: number): Uint8Array {
    return createHash('sha256').update(`${this.#salt} ${index}`).digest().subarray(0, TAIL_BYTES)
  }
}
