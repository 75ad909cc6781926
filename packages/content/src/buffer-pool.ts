/** Size of a large buffer: so large that a system call per buffer does not show. */
export const POOL_BUFFER_BYTES = 1024 * 1024
/** Large buffers in use at a time: 24 MiB for all who take in blobs together. */
export const POOL_MAX_LARGE = 24
/** Large buffers that stay for the next user, however long nobody comes. */
export const POOL_KEEP_FREE = 16
/** What is given when the large ones are in use, bytes, while 64 push at a time. */
export const POOL_MEDIUM_BYTES = 256 * 1024
/** Medium buffers in use at a time: 24 MiB more. */
export const POOL_MAX_MEDIUM = 96
/** What is given when those are in use as well, bytes: a thousand uploads at once stay slower, not larger. */
export const POOL_SMALL_BYTES = 64 * 1024
/** Those that are kept for nobody are given back when they were not in use for so long, and at most twice as long, milliseconds. */
export const POOL_IDLE_MS = 10_000

/**
 * Buffers that are used again, because allocating and clearing them costs more than copying into them. Few users get large
 * ones, more get smaller ones.
 */
export class BufferPool {
  readonly #large = new Shelf(POOL_BUFFER_BYTES, POOL_MAX_LARGE, POOL_KEEP_FREE)
  readonly #medium = new Shelf(POOL_MEDIUM_BYTES, POOL_MAX_MEDIUM, 0)

  /** Bytes of the buffers that wait for the next user. */
  get freeBytes(): number {
    return this.#large.freeBytes + this.#medium.freeBytes
  }

  /** A buffer with whatever was in it before. */
  take(): Buffer {
    return this.#large.take() ?? this.#medium.take() ?? Buffer.allocUnsafeSlow(POOL_SMALL_BYTES)
  }

  /** Give a buffer back that nothing reads or writes any more. */
  give(buffer: Buffer): void {
    for (const shelf of [this.#large, this.#medium]) if (shelf.bufferBytes === buffer.length) shelf.give(buffer)
  }
}

/** The buffers of one size. */
class Shelf {
  readonly bufferBytes: number
  readonly #max: number
  readonly #keepFree: number
  readonly #free: Buffer[] = []
  /** The fewest that were free since the timer began: so many were of no use. */
  #idle = 0
  #used = 0
  #timer: NodeJS.Timeout | undefined

  constructor(bufferBytes: number, max: number, keepFree: number) {
    this.bufferBytes = bufferBytes
    this.#max = max
    this.#keepFree = keepFree
  }

  get freeBytes(): number {
    return this.#free.length * this.bufferBytes
  }

  take(): Buffer | undefined {
    if (this.#used >= this.#max) return undefined
    this.#used++
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(this.bufferBytes)
    this.#idle = Math.min(this.#idle, this.#free.length)
    return buffer
  }

  give(buffer: Buffer): void {
    this.#used--
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
