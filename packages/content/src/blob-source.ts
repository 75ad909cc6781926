import type { Digest } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import type { LentBytes } from './chunk-buffer.ts'

/** Somewhere to read a blob from: a whole one, or one that still arrives. Close it after use. */
export interface BlobSource {
  readonly digest: Digest
  /** Size of the whole blob, bytes. */
  readonly size: number
  /**
   * How many bytes can be read from `position` on without waiting. Waits until there is at least one; 0 only at the
   * blob's end. Rejects when the bytes will not come.
   */
  available(position: number, options?: AbortOptions): Promise<number>
  /**
   * Read into `target` from `position` on, and say how many bytes it was: as many as fit and are available, 0 only at
   * the end. Rejects for bytes that are not available.
   */
  read(target: Uint8Array, position: number): Promise<number>
  close(): Promise<void>
}

/** A source whose bytes can be had in pooled memory, for those who pass them on. */
export interface LendingSource extends BlobSource {
  /**
   * Exactly `length` bytes from `position` on, at most one chunk (4 MiB). To be released once; they outlive the source.
   *
   * @throws RangeError when the blob has no such bytes, StoreClosedError.
   */
  lend(position: number, length: number): Promise<LentBytes>
}
