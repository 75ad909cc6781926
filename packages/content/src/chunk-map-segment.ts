import type { KeyObject } from 'node:crypto'
import { sign, verify } from 'node:crypto'
import type { Digest } from '@shoal/oci'
import { isDigest } from '@shoal/oci'
import type { ChunkMap, SignedChunkMap } from './chunk-map.ts'
import {
  CHUNK_DIGEST_BYTES,
  chunkCount,
  equalChunkMaps,
  singleChunkMap,
  validateChunkMap,
  validateCut
} from './chunk-map.ts'
import { ChunkMapError } from './errors.ts'

/** Chunks in one segment; only a blob's last segment has fewer. */
export const SEGMENT_MAX_CHUNKS = 256
/** Length of an Ed25519 signature, bytes (RFC 8032, 5.1.6). */
const SIGNATURE_BYTES = 64

const TAG = Buffer.from('shoal chunk map 1\n', 'ascii')
/** After the digest: u64 size, u32 chunk size, u32 first, u16 count. */
const NUMBERS_BYTES = 8 + 4 + 4 + 2
const MAX_DIGEST_TEXT_BYTES = 255

/** Longest encoded segment, bytes. A reader may refuse anything longer before it allocates. */
export const SEGMENT_MAX_BYTES =
  TAG.length + 1 + MAX_DIGEST_TEXT_BYTES + NUMBERS_BYTES + SEGMENT_MAX_CHUNKS * CHUNK_DIGEST_BYTES + SIGNATURE_BYTES

/** A signed run of up to 256 chunk digests, so that a blob can be shared as far as it is known. */
export interface ChunkMapSegment {
  readonly digest: Digest
  /** Size of the whole blob, bytes. */
  readonly size: number
  readonly chunkSize: number
  /** Index of the first chunk described here, a multiple of 256. */
  readonly first: number
  /** SHA-256 of each chunk from `first` on, 32 bytes each. */
  readonly chunkDigests: Uint8Array
  /** Ed25519 over all the bytes before it. */
  readonly signature: Uint8Array
}

/** Number of segments of a blob's chunk map; an empty blob still has one. */
export function segmentCount(map: Pick<ChunkMap, 'size' | 'chunkSize'>): number {
  return Math.max(1, Math.ceil(chunkCount(map) / SEGMENT_MAX_CHUNKS))
}

/**
 * Encode and sign a chunk map.
 *
 * A segment is, big endian: the tag `shoal chunk map 1\n`, u8 length of the digest text, the digest text, u64 blob
 * size, u32 chunk size, u32 first chunk, u16 count, count · 32 bytes of chunk digests, 64 bytes of Ed25519 signature.
 *
 * @throws ChunkMapError when the map is not valid.
 */
export function signChunkMap(map: ChunkMap, privateKey: KeyObject): Uint8Array[] {
  validateChunkMap(map)
  return Array.from({ length: segmentCount(map) }, (_, i) => {
    const body = encodeBody(map, i * SEGMENT_MAX_CHUNKS)
    return Buffer.concat([body, sign(null, body, privateKey)])
  })
}

function encodeBody(map: ChunkMap, first: number): Buffer {
  const count = Math.min(SEGMENT_MAX_CHUNKS, chunkCount(map) - first)
  const digest = Buffer.from(map.digest, 'ascii')
  const numbers = Buffer.alloc(NUMBERS_BYTES)
  numbers.writeBigUInt64BE(BigInt(map.size), 0)
  numbers.writeUInt32BE(map.chunkSize, 8)
  numbers.writeUInt32BE(first, 12)
  numbers.writeUInt16BE(count, 16)
  const digests = map.chunkDigests.subarray(first * CHUNK_DIGEST_BYTES, (first + count) * CHUNK_DIGEST_BYTES)
  return Buffer.concat([TAG, Buffer.of(digest.length), digest, numbers, digests])
}

/**
 * Read one segment without looking at its signature. There is exactly one encoding of a segment; anything else is
 * refused.
 *
 * @throws ChunkMapError (`CHUNK_MAP_INVALID`), whatever the bytes are.
 */
export function decodeSegment(bytes: Uint8Array): ChunkMapSegment {
  if (bytes.length > SEGMENT_MAX_BYTES) throw new ChunkMapError(`a segment has at most ${SEGMENT_MAX_BYTES} bytes`)
  const buffer = Buffer.from(bytes)
  const digestLength = buffer[TAG.length]
  if (digestLength === undefined || !buffer.subarray(0, TAG.length).equals(TAG)) {
    throw new ChunkMapError('not a segment of a chunk map: the tag is missing')
  }
  const numbersAt = TAG.length + 1 + digestLength
  const digestsAt = numbersAt + NUMBERS_BYTES
  if (buffer.length < digestsAt) throw new ChunkMapError('the segment ends inside its head')
  const digest = buffer.toString('latin1', TAG.length + 1, numbersAt)
  if (!isDigest(digest)) throw new ChunkMapError('the segment names no valid blob digest')
  const size = Number(buffer.readBigUInt64BE(numbersAt))
  const chunkSize = buffer.readUInt32BE(numbersAt + 8)
  const first = buffer.readUInt32BE(numbersAt + 12)
  const count = buffer.readUInt16BE(numbersAt + 16)
  validateCut({ size, chunkSize })
  if (first % SEGMENT_MAX_CHUNKS !== 0 || first / SEGMENT_MAX_CHUNKS >= segmentCount({ size, chunkSize })) {
    throw new ChunkMapError(`no segment of this blob begins at chunk ${first}`)
  }
  const expected = Math.min(SEGMENT_MAX_CHUNKS, chunkCount({ size, chunkSize }) - first)
  if (count !== expected) throw new ChunkMapError(`the segment has ${count} chunks, not ${expected}`)
  const signatureAt = digestsAt + count * CHUNK_DIGEST_BYTES
  if (buffer.length !== signatureAt + SIGNATURE_BYTES) {
    throw new ChunkMapError(`the segment is ${buffer.length} bytes long, not ${signatureAt + SIGNATURE_BYTES}`)
  }
  return {
    digest,
    size,
    chunkSize,
    first,
    chunkDigests: buffer.subarray(digestsAt, signatureAt),
    signature: buffer.subarray(signatureAt)
  }
}

/**
 * Read one segment and check that `publicKey` (Ed25519) signed it.
 *
 * @throws ChunkMapError `CHUNK_MAP_INVALID` for the encoding, `CHUNK_MAP_SIGNATURE` for the signature.
 */
export function verifySegment(bytes: Uint8Array, publicKey: KeyObject): ChunkMapSegment {
  const segment = decodeSegment(bytes)
  if (!verify(null, bytes.subarray(0, bytes.length - SIGNATURE_BYTES), publicKey, segment.signature)) {
    throw new ChunkMapError(
      `the chunk map of ${segment.digest} is not signed by the expected key`,
      'CHUNK_MAP_SIGNATURE'
    )
  }
  return segment
}

/**
 * Put all segments of one chunk map together, in any order.
 *
 * @throws ChunkMapError when one is missing or given twice, or when they speak of different blobs.
 */
export function assembleChunkMap(segments: readonly ChunkMapSegment[]): ChunkMap {
  const [head, ...others] = segments
  if (head === undefined) throw new ChunkMapError('no segments')
  const { digest, size, chunkSize } = head
  validateCut(head)
  if (others.some((s) => s.digest !== digest || s.size !== size || s.chunkSize !== chunkSize)) {
    throw new ChunkMapError('the segments are of different chunk maps')
  }
  if (segments.length !== segmentCount(head)) {
    throw new ChunkMapError(`the chunk map has ${segmentCount(head)} segments, not ${segments.length}`)
  }
  const sorted = segments.toSorted((a, b) => a.first - b.first)
  const wrong = sorted.findIndex((s, i) => s.first !== i * SEGMENT_MAX_CHUNKS)
  if (wrong >= 0) throw new ChunkMapError(`segment ${wrong} is missing`)
  const map = { digest, size, chunkSize, chunkDigests: Buffer.concat(sorted.map((s) => s.chunkDigests)) }
  validateChunkMap(map)
  return map
}

/**
 * Check that a signed chunk map is in itself consistent: its segments say what its map says, or the blob digest does.
 * Signatures are not looked at.
 *
 * @throws ChunkMapError when it is not.
 */
export function validateSignedChunkMap({ map, segments }: SignedChunkMap): void {
  validateChunkMap(map)
  if (segments.length === 0) {
    if (singleChunkMap(map.digest, map.size) === undefined) {
      throw new ChunkMapError(`the chunk map of ${map.digest} needs signed segments`)
    }
  } else if (!equalChunkMaps(map, assembleChunkMap(segments.map(decodeSegment)))) {
    throw new ChunkMapError(`the segments of ${map.digest} do not say what its chunk map says`)
  }
}
