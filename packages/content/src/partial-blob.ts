import type { AbortOptions } from './abort.ts'
import type { Bitfield } from './bitfield.ts'
import type { BlobSource } from './blob-source.ts'
import type { ChunkBuffer, LentBytes } from './chunk-buffer.ts'
import type { ChunkMap } from './chunk-map.ts'

/**
 * A blob that arrives chunk by chunk, in any order, and is shared by all who want it. What is held survives the
 * process. It goes on working after the last chunk made the blob whole.
 */
export interface PartialBlob {
  readonly map: ChunkMap
  /** The chunks held, live. Only to be read: clone it to keep it. */
  readonly have: Bitfield
  /** Whether the blob is whole and durable in the store. */
  readonly complete: boolean
  /**
   * Check a chunk and keep it. Plain bytes must stay as they are until it settles. A buffer is held here as long as it
   * is needed, which may be a while for those who want the chunk next: it is not to be written to again, and the caller
   * releases its own hold. The last chunk makes the blob whole and durable before it resolves, which readers do not wait
   * for; a later call tries again where that failed.
   *
   * @throws ChunkMismatchError for wrong bytes, RangeError for a wrong index, StoreFullError, StoreClosedError.
   */
  put(index: number, chunk: Uint8Array | ChunkBuffer, options?: AbortOptions): Promise<'stored' | 'duplicate'>
  /**
   * Read a chunk that is held into `target`, and say how long it is.
   *
   * @throws ChunkMissingError when it is not held, RangeError when `target` is too short.
   */
  readChunk(index: number, target: Uint8Array): Promise<number>
  /**
   * A part of a chunk that is held, in memory: where the chunk just arrived, that which it arrived in, else read from
   * the file. To be released once; it outlives the partial blob.
   *
   * @throws ChunkMissingError when it is not held, RangeError when it has no such part, StoreClosedError.
   */
  lend(index: number, offset: number, length: number): Promise<LentBytes>
  /** The blob in order, as it becomes available. Any number of readers may each have one. */
  source(): BlobSource
  /** The chunks that readers of its sources wait for at this moment. One may come more than once. */
  awaited(): Iterable<number>
  /** Be told of every chunk as it is stored. Returns what undoes it. */
  onChunk(listener: (index: number) => void): () => void
  /** Be told when the blob is whole; at once when it already is. Returns what undoes it. */
  onComplete(listener: () => void): () => void
  /** Give up for now: every source opened so far that needs a missing byte fails with `error`. What is held is kept. */
  fail(error: Error): void
  /** The counterpart of `ContentStore.partial`; open sources go on. */
  release(): Promise<void>
}
