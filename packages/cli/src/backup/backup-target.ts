import type { Digest } from '@shoal/oci'

/** Where a backup is written. */
export interface BackupTarget {
  /** How many blobs may be written at a time. */
  readonly concurrency: number
  /** Whether a blob of this size is there from an earlier backup. */
  has(digest: Digest, size: number): Promise<boolean>
  /** Takes the snapshot, whole; it takes effect with `commit`. */
  putSnapshot(file: string): Promise<void>
  putSecret(name: string, content: Uint8Array): Promise<void>
  /** Takes a blob whose bytes are checked while they pass: a failure leaves nothing of it. */
  putBlob(digest: Digest, size: number, body: AsyncIterable<Uint8Array>): Promise<void>
  putChunkMap(digest: Digest, content: Uint8Array): Promise<void>
  /** Makes this the backup that is there, and removes what it does not name. @param named every blob of it */
  commit(named: ReadonlySet<Digest>): Promise<void>
  /** Gives up: the backup before this one stays as it was. */
  abandon(): Promise<void>
}
