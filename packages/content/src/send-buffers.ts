/** Large buffers in use by all transfers together: 64 MiB of 256 KiB each. */
export const SEND_LARGE_BUFFERS_MAX = 256
/** What a transfer gets when the large ones are in use, bytes. */
export const SEND_SMALL_BUFFER_BYTES = 16 * 1024
/** Free large buffers kept between transfers: 16 MiB at most. */
const MAX_FREE = 64

/**
 * Buffers for sending. Each receiver that has stopped reading holds what is being written to it; so that thousands of
 * them do not fill the memory, only so many get large ones, and the others small ones, which are slower.
 */
export class SendBuffers {
  readonly #largeBytes: number
  readonly #free: Buffer[] = []
  #large = 0

  constructor(largeBytes: number) {
    this.#largeBytes = largeBytes
  }

  /** Memory of the large buffers that are in use, bytes. */
  get usedBytes(): number {
    return this.#large * this.#largeBytes
  }

  /** Memory kept for the next transfer, bytes. */
  get freeBytes(): number {
    return this.#free.length * this.#largeBytes
  }

  take(): Buffer {
    if (this.#large >= SEND_LARGE_BUFFERS_MAX) return Buffer.allocUnsafeSlow(SEND_SMALL_BUFFER_BYTES)
    this.#large++
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.#largeBytes)
  }

  /** For a buffer that nobody reads any more. */
  give(buffer: Buffer): void {
    this.forget(buffer)
    if (buffer.length === this.#largeBytes && this.#free.length < MAX_FREE) this.#free.push(buffer)
  }

  /** For a buffer that may still be read: it is left to the garbage collector. */
  forget(buffer: Buffer): void {
    if (buffer.length === this.#largeBytes) this.#large--
  }
}
