/** Bytes in memory that stay as they are until they are released. */
export interface LentBytes {
  readonly bytes: Uint8Array
  /** To be called once, when nothing reads the bytes any more. */
  release(): void
}

/**
 * Memory for a chunk or a part of one, shared by all who hold it. Whoever takes it holds it; each `retain` is one more
 * hold, each `release` one less, and with the last the memory goes back to its pool. It is filled by whoever took it
 * and does not change once others hold it too. Whoever forgets to release only costs an allocation.
 */
export class ChunkBuffer implements LentBytes {
  /** Memory that it takes up, bytes: at least that of `bytes`. */
  readonly capacity: number
  readonly #bytes: Uint8Array
  readonly #free: () => void
  #holds = 1

  /** @param free is called once, when nobody holds it any more. */
  constructor(bytes: Uint8Array, capacity: number, free: () => void) {
    this.#bytes = bytes
    this.capacity = capacity
    this.#free = free
  }

  /** Exactly as long as was asked for. @throws Error when nobody holds it: the memory may be another chunk's by now. */
  get bytes(): Uint8Array {
    this.#assertHeld()
    return this.#bytes
  }

  /** Hold it once more. @throws Error when nobody holds it. */
  retain(): this {
    this.#assertHeld()
    this.#holds++
    return this
  }

  /** Let go of one hold. @throws Error when nobody holds it. */
  release(): void {
    this.#assertHeld()
    this.#holds--
    if (this.#holds === 0) this.#free()
  }

  /** A part of it, with a hold of its own. @throws RangeError when it has no such part. */
  lend(offset: number, length: number): LentBytes {
    assertPart(offset, length, this.bytes.length)
    this.retain()
    let held = true
    return {
      bytes: this.#bytes.subarray(offset, offset + length),
      release: () => {
        if (!held) throw releasedError()
        held = false
        this.release()
      }
    }
  }

  #assertHeld(): void {
    if (this.#holds === 0) throw releasedError()
  }
}

/** @throws RangeError when `size` bytes have no such part of at least one byte. */
export function assertPart(offset: number, length: number, size: number): void {
  const isPart = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length > 0
  if (!isPart || offset + length > size) {
    throw new RangeError(`${length} bytes from ${offset} on are not a part of ${size} bytes`)
  }
}

function releasedError(): Error {
  return new Error('the memory of this chunk was released before: every hold is to be released once')
}
