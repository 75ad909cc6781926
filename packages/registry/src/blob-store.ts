import type { BlobInfo, BlobSource, Ingest, IngestOptions, PendingIngest, SignedChunkMap } from '@shoal/content'
import type { Digest } from '@shoal/oci'

/**
 * All that the registry asks of the place where bytes are. `ContentStore` keeps them in files; what keeps them elsewhere,
 * in S3 for instance, has to pass `test/blob-store-contract.ts`.
 *
 * A blob appears as a whole, verified and durable, and is never seen half written. Who reads one goes on reading when it
 * is deleted.
 */
export interface BlobStore {
  /** How much is there. */
  readonly usage: { readonly bytes: number; readonly blobs: number }
  /** Whether a blob is here. */
  stat(digest: Digest): Promise<BlobInfo | undefined>
  /** Read a blob; `close` the source in the end. */
  open(digest: Digest): Promise<BlobSource | undefined>
  /** All blobs that are here now. */
  list(): AsyncIterable<BlobInfo>
  /**
   * Take in a blob. One with an `id` goes on with what came under it before.
   *
   * @throws StoreFullError from its methods where there is no space; what came before is kept
   */
  ingest(options?: IngestOptions): Promise<Ingest>
  /** What came under an `id` and is not open. */
  pendingIngests(): Promise<PendingIngest[]>
  /** @returns whether it was there. */
  delete(digest: Digest): Promise<boolean>
  /** The chunk map of a blob that is here. */
  chunkMap(digest: Digest): Promise<SignedChunkMap | undefined>
}
