/** Size of a pooled buffer: large enough that a system call per buffer does not show. */
export const POOL_BUFFER_BYTES = 1024 * 1024
/** Buffers kept for the next user; more are left to the garbage collector. */
export const POOL_MAX_FREE = 16

/** Buffers that are used again, because allocating and clearing them costs more than copying into them. */
export class BufferPool {
  readonly bufferBytes: number
  readonly #maxFree: number
  readonly #free: Buffer[] = []

  constructor(bufferBytes: number = POOL_BUFFER_BYTES, maxFree: number = POOL_MAX_FREE) {
    this.bufferBytes = bufferBytes
    this.#maxFree = maxFree
  }

  /** A buffer with whatever was in it before. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
  }

  /** Give a buffer back that nothing reads or writes any more. */
  give(buffer: Buffer): void {
    if (this.#free.length < this.#maxFree) this.#free.push(buffer)
  }
}
