import type { AbortOptions } from './abort.ts'
import { untilAborted } from './abort.ts'
import type { Bitfield } from './bitfield.ts'
import type { BlobSource } from './blob-source.ts'
import type { ChunkMap } from './chunk-map.ts'
import { StoreClosedError } from './errors.ts'
import { checkPosition } from './file-source.ts'

/** What a source needs of the partial blob that it reads. */
export interface PartialReading {
  readonly map: ChunkMap
  readonly have: Bitfield
  /** Read held bytes; as many as fit, at least one. */
  read(target: Uint8Array, position: number): Promise<number>
  closed(source: PartialSource): Promise<void>
}

interface Waiter {
  readonly chunk: number
  readonly ready: PromiseWithResolvers<void>
}

/** A blob that still arrives, in order. Bytes are available once the chunk that they are in is verified. */
export class PartialSource implements BlobSource {
  readonly digest
  readonly size
  readonly #partial: PartialReading
  readonly #waiters = new Set<Waiter>()
  #failure: Error | undefined
  #closed = false
  /** The last run of held chunks that was looked up, so that a reader does not look it up for each buffer. */
  #run = { start: 0, end: 0 }

  constructor(partial: PartialReading) {
    this.digest = partial.map.digest
    this.size = partial.map.size
    this.#partial = partial
  }

  async available(position: number, options?: AbortOptions): Promise<number> {
    for (;;) {
      const length = this.#held(position)
      if (length > 0 || position === this.size) return length
      if (this.#failure !== undefined) throw this.#failure
      options?.signal?.throwIfAborted()
      const waiter = { chunk: this.#chunkAt(position), ready: Promise.withResolvers<void>() }
      this.#waiters.add(waiter)
      try {
        await untilAborted(waiter.ready.promise, options?.signal)
      } finally {
        this.#waiters.delete(waiter)
      }
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    const length = Math.min(this.#held(position), target.length)
    if (length === 0 && target.length > 0 && position < this.size) {
      throw this.#failure ?? new RangeError(`byte ${position} of ${this.digest} is not available yet`)
    }
    return length === 0 ? 0 : await this.#partial.read(target.subarray(0, length), position)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.fail(new StoreClosedError(`the source of ${this.digest}`))
    await this.#partial.closed(this)
  }

  /** The chunks that somebody waits for. */
  *awaited(): Generator<number> {
    for (const { chunk } of this.#waiters) yield chunk
  }

  /** A chunk is held from now on. */
  arrived(index: number): void {
    for (const { chunk, ready } of this.#waiters) if (chunk === index) ready.resolve()
  }

  /** The missing bytes will not come. */
  fail(error: Error): void {
    this.#failure ??= error
    for (const { ready } of this.#waiters) ready.reject(this.#failure)
  }

  /** Bytes that can be read from `position` on. */
  #held(position: number): number {
    if (this.#closed) throw new StoreClosedError(`the source of ${this.digest}`)
    checkPosition(position, this.size)
    if (position === this.size) return 0
    if (position < this.#run.start || position >= this.#run.end) {
      const missing = this.#partial.have.firstMissing(this.#chunkAt(position))
      const end = missing === undefined ? this.size : missing * this.#partial.map.chunkSize
      this.#run = { start: position, end: Math.max(position, end) }
    }
    return this.#run.end - position
  }

  #chunkAt(position: number): number {
    return Math.floor(position / this.#partial.map.chunkSize)
  }
}
