import type { AbortOptions } from './abort.ts'
import type { Bitfield } from './bitfield.ts'
import type { BlobSource } from './blob-source.ts'
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
   * Check a chunk and keep it. The bytes must stay as they are until it resolves. The last chunk makes the blob whole
   * and durable before it resolves; a later call tries again where that failed.
   *
   * @throws ChunkMismatchError for wrong bytes, RangeError for a wrong index, StoreFullError, StoreClosedError.
   */
  put(index: number, bytes: Uint8Array, options?: AbortOptions): Promise<'stored' | 'duplicate'>
  /**
   * Read a chunk that is held into `target`, and say how long it is.
   *
   * @throws ChunkMissingError when it is not held, RangeError when `target` is too short.
   */
  readChunk(index: number, target: Uint8Array): Promise<number>
  /** The blob in order, as it becomes available. Any number of readers may each have one. */
  source(): BlobSource
  /** Be told of every chunk as it is stored. Returns what undoes it. */
  onChunk(listener: (index: number) => void): () => void
  /** Be told when the blob is whole; at once when it already is. Returns what undoes it. */
  onComplete(listener: () => void): () => void
  /** Give up for now: every source opened so far that needs a missing byte fails with `error`. What is held is kept. */
  fail(error: Error): void
  /** The counterpart of `ContentStore.partial`; open sources go on. */
  release(): Promise<void>
}
