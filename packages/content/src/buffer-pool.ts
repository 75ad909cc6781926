/** Size of a pooled buffer: large enough that a system call per buffer does not show. */
export const POOL_BUFFER_BYTES = 1024 * 1024
/** Buffers that stay for the next user, however long nobody comes. */
export const POOL_KEEP_FREE = 16
/** Those above that are given back when they were not in use for so long, and at most twice as long, milliseconds. */
export const POOL_IDLE_MS = 10_000
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
  readonly #keepFree: number
  readonly #maxLarge: number
  readonly #free: Buffer[] = []
  /** The fewest that were free since the timer began: so many were of no use. */
  #idle = 0
  #large = 0
  #timer: NodeJS.Timeout | undefined

  constructor(bufferBytes = POOL_BUFFER_BYTES, keepFree = POOL_KEEP_FREE, maxLarge = POOL_MAX_LARGE) {
    this.bufferBytes = bufferBytes
    this.#keepFree = keepFree
    this.#maxLarge = maxLarge
  }

  /** Buffers that wait for the next user. */
  get free(): number {
    return this.#free.length
  }

  /** A buffer with whatever was in it before. */
  take(): Buffer {
    if (this.#large >= this.#maxLarge) return Buffer.allocUnsafeSlow(Math.min(POOL_SMALL_BYTES, this.bufferBytes))
    this.#large++
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
    this.#idle = Math.min(this.#idle, this.#free.length)
    return buffer
  }

  /** Give a buffer back that nothing reads or writes any more. */
  give(buffer: Buffer): void {
    if (buffer.length !== this.bufferBytes) return
    this.#large--
    this.#free.push(buffer)
    if (this.#free.length > this.#keepFree && this.#timer === undefined) this.#wait()
  }

  #wait(): void {
    this.#idle = this.#free.length
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#free.splice(0, Math.min(this.#idle, this.#free.length - this.#keepFree))
      if (this.#free.length > this.#keepFree) this.#wait()
    }, POOL_IDLE_MS).unref()
  }
}
