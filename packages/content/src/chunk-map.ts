import type { Digest } from '@shoal/oci'
import { digestAlgorithm, digestBytes, digestOf, isDigest } from '@shoal/oci'
import { chunkSizeFor, SINGLE_CHUNK_MAX_BYTES } from './chunk-sizing.ts'
import { ChunkMapError } from './errors.ts'

/** Length of one chunk digest (SHA-256), bytes. */
export const CHUNK_DIGEST_BYTES = 32
/** Largest blob that a chunk map may describe: 8 TiB. */
export const MAX_BLOB_SIZE_BYTES = 2 ** 43

/**
 * Which bytes a blob is made of, chunk by chunk. It lets a chunk be checked on its own, so that a peer that sends
 * wrong bytes is known at once.
 */
export interface ChunkMap {
  /** The blob's digest. */
  readonly digest: Digest
  /** The blob's size, bytes. */
  readonly size: number
  /** Size of each chunk but the last, bytes. It follows from `size`. */
  readonly chunkSize: number
  /** SHA-256 of each chunk, in order, 32 bytes each. */
  readonly chunkDigests: Uint8Array
}

/** A chunk map with the signed segments that prove it. `segments` is empty where the blob digest proves it alone. */
export interface SignedChunkMap {
  readonly map: ChunkMap
  /** Encoded segments in order, see `decodeSegment`. */
  readonly segments: readonly Uint8Array[]
}

type Cut = Pick<ChunkMap, 'size' | 'chunkSize'>

/** Number of chunks; 0 for an empty blob. */
export function chunkCount(map: Cut): number {
  return Math.ceil(map.size / map.chunkSize)
}

/** Where chunk `index` begins in the blob. @throws RangeError when there is no such chunk. */
export function chunkOffset(map: Cut, index: number): number {
  if (!Number.isInteger(index) || index < 0 || index >= chunkCount(map)) {
    throw new RangeError(`chunk ${index} is not one of ${chunkCount(map)}`)
  }
  return index * map.chunkSize
}

/** Length of chunk `index` in bytes; only the last may be shorter. @throws RangeError when there is no such chunk. */
export function chunkLength(map: Cut, index: number): number {
  return Math.min(map.chunkSize, map.size - chunkOffset(map, index))
}

/** SHA-256 of chunk `index`, a view into the map. @throws RangeError when there is no such chunk. */
export function chunkDigest(map: ChunkMap, index: number): Uint8Array {
  const offset = (chunkOffset(map, index) / map.chunkSize) * CHUNK_DIGEST_BYTES
  return map.chunkDigests.subarray(offset, offset + CHUNK_DIGEST_BYTES)
}

/** @throws ChunkMapError (`CHUNK_MAP_INVALID`) when the size, the chunk size and the digests do not fit together. */
export function validateChunkMap(map: ChunkMap): void {
  if (!isDigest(map.digest)) throw new ChunkMapError('the chunk map names no valid blob digest')
  validateCut(map)
  const expected = chunkCount(map) * CHUNK_DIGEST_BYTES
  if (map.chunkDigests.length !== expected) {
    throw new ChunkMapError(`chunk digests are ${map.chunkDigests.length} bytes long, not ${expected}`)
  }
  if (map.size === 0 && !mayBeEmpty(map.digest)) throw new ChunkMapError(`${map.digest} is not the digest of no bytes`)
  const single = singleChunkMap(map.digest, map.size)
  if (single !== undefined && !equalBytes(single.chunkDigests, map.chunkDigests)) {
    throw new ChunkMapError('the blob is one chunk, but the digest of the chunk is not that of the blob')
  }
}

/** @throws ChunkMapError when a blob of that size cannot be, or is not cut like that. */
export function validateCut({ size, chunkSize }: Cut): void {
  if (!Number.isInteger(size) || size < 0 || size > MAX_BLOB_SIZE_BYTES) {
    throw new ChunkMapError(`a blob cannot have ${size} bytes: the limit is ${MAX_BLOB_SIZE_BYTES}`)
  }
  const expected = chunkSizeFor(size)
  if (chunkSize !== expected)
    throw new ChunkMapError(`chunks of a blob of ${size} bytes are ${expected} bytes, not ${chunkSize}`)
}

/**
 * The chunk map that a small blob's digest already is, so that it needs no signature; `undefined` where the blob has
 * several chunks, its digest is not SHA-256, or it is said to be empty and is not. An empty blob has no chunks.
 */
export function singleChunkMap(digest: Digest, size: number): ChunkMap | undefined {
  if (size > SINGLE_CHUNK_MAX_BYTES || digestAlgorithm(digest) !== 'sha256') return undefined
  if (size === 0 && !mayBeEmpty(digest)) return undefined
  const chunkDigests = size === 0 ? new Uint8Array(0) : Uint8Array.from(digestBytes(digest))
  return { digest, size, chunkSize: chunkSizeFor(size), chunkDigests }
}

/** No chunk would ever show that a blob is not empty: its digest must. */
function mayBeEmpty(digest: Digest): boolean {
  return digest === digestOf(new Uint8Array(0), digestAlgorithm(digest))
}

/** Whether two chunk maps say the same. */
export function equalChunkMaps(a: ChunkMap, b: ChunkMap): boolean {
  return (
    a.digest === b.digest &&
    a.size === b.size &&
    a.chunkSize === b.chunkSize &&
    equalBytes(a.chunkDigests, b.chunkDigests)
  )
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
