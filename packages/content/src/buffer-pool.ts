/** Size of a pooled buffer: large enough that a system call per buffer does not show. */
export const POOL_BUFFER_BYTES = 1024 * 1024
/** Buffers kept for the next user; more are left to the garbage collector. */
export const POOL_MAX_FREE = 16
/** Large buffers in use at a time: 48 MiB for all who take in blobs together. */
export const POOL_MAX_LARGE = 48
/** What is given when the large ones are in use, bytes: a thousand uploads at once stay slower, not larger. */
export const POOL_SMALL_BYTES = 64 * 1024

/**
 * Buffers that are used again, because allocating and clearing them costs more than copying into them. Whoever finds all
 * large ones in use gets a small one.
 */
export class BufferPool {
  readonly bufferBytes: number
  readonly #maxFree: number
  readonly #maxLarge: number
  readonly #free: Buffer[] = []
  #large = 0

  constructor(bufferBytes = POOL_BUFFER_BYTES, maxFree = POOL_MAX_FREE, maxLarge = POOL_MAX_LARGE) {
    this.bufferBytes = bufferBytes
    this.#maxFree = maxFree
    this.#maxLarge = maxLarge
  }

  /** A buffer with whatever was in it before. */
  take(): Buffer {
    if (this.#large >= this.#maxLarge) return Buffer.allocUnsafeSlow(Math.min(POOL_SMALL_BYTES, this.bufferBytes))
    this.#large++
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
  }

  /** Give a buffer back that nothing reads or writes any more. */
  give(buffer: Buffer): void {
    if (buffer.length !== this.bufferBytes) return
    this.#large--
    if (this.#free.length < this.#maxFree) this.#free.push(buffer)
  }
}
