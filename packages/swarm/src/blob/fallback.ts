import type { ByteRange, Digest } from '@shoal/oci'

/** A chunk map as it came from somewhere that need not be trusted. */
export interface OfferedChunkMap {
  /** Size of the blob in bytes. */
  readonly size: number
  /** Encoded signed segments; empty for a blob whose digest is its only chunk's. */
  readonly segments: readonly Uint8Array[]
}

/**
 * Where bytes come from when no peer can serve them: the registry over HTTP. What it gives is checked like what a
 * peer gives. Both calls resolve to undefined when it does not have the blob, and throw when it cannot be asked.
 */
export interface Fallback {
  chunkMap(digest: Digest, options?: { signal?: AbortSignal }): Promise<OfferedChunkMap | undefined>
  read(
    digest: Digest,
    range: ByteRange,
    options?: { signal?: AbortSignal }
  ): Promise<AsyncIterable<Uint8Array> | undefined>
}
