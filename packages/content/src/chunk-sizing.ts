/**
 * How a blob's size decides its chunk size. The sizes are powers of two; the rule is a parameter only so that tests
 * can cross all of its boundaries with little data.
 */
export interface ChunkSizing {
  /** Smallest chunk of a blob of several chunks, bytes. */
  readonly minBytes: number
  /** Largest chunk, bytes. */
  readonly maxBytes: number
  /** A blob up to this size is one chunk, bytes. */
  readonly singleBytes: number
}

/** Smallest chunk of a blob of several chunks. */
export const MIN_CHUNK_SIZE_BYTES = 256 * 1024
/** Largest chunk. */
export const MAX_CHUNK_SIZE_BYTES = 4 * 1024 * 1024
/** A blob up to this size is one chunk. */
export const SINGLE_CHUNK_MAX_BYTES = 1024 * 1024
/** A blob is cut in about this many chunks where the limits allow. */
export const CHUNKS_PER_BLOB = 128

/** The rule that all of Shoal uses; it is part of the wire format. */
export const CHUNK_SIZING: ChunkSizing = {
  minBytes: MIN_CHUNK_SIZE_BYTES,
  maxBytes: MAX_CHUNK_SIZE_BYTES,
  singleBytes: SINGLE_CHUNK_MAX_BYTES
}

/**
 * The size of the largest blob that is cut in chunks of `chunkSize`, bytes. Chunk sizes that are one doubling apart
 * meet at their geometric mean, which is never whole: 128 · chunkSize · √2.
 */
export function largestBlobFor(chunkSize: number, sizing: ChunkSizing = CHUNK_SIZING): number {
  return chunkSize >= sizing.maxBytes ? Number.POSITIVE_INFINITY : Math.floor(CHUNKS_PER_BLOB * chunkSize * Math.SQRT2)
}

/**
 * The chunk size of a blob of `size` bytes: the power of two nearest (geometrically) to size / 128, between 256 KiB
 * and 4 MiB. A blob up to 1 MiB is one chunk and has a chunk size of 1 MiB.
 */
export function chunkSizeFor(size: number, sizing: ChunkSizing = CHUNK_SIZING): number {
  if (size <= sizing.singleBytes) return sizing.singleBytes
  let chunkSize = sizing.minBytes
  while (size > largestBlobFor(chunkSize, sizing)) chunkSize *= 2
  return chunkSize
}
