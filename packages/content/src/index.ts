/**
 * A content-addressed store for blobs on local disk: whole blobs, blobs that arrive in order (`ingest`) or chunk by
 * chunk (`partial`), and the signed chunk maps that prove chunks. What is under a digest was verified and is durable.
 *
 * @example
 * ```ts
 * const store = await ContentStore.open({ directory, signer })
 * const ingest = await store.ingest()
 * await ingest.append(request)
 * const { size } = await ingest.finish(parseDigest(expected))
 * const source = await store.open(parseDigest(expected))
 * if (source !== undefined) await sendBlob(source, { start: 0, end: size }, response)
 * ```
 */
export { type AbortOptions, untilAborted } from './abort.ts'
export { ArrivingBlob, type ArrivingBlobInit, HELD_BACK_BYTES } from './arriving-blob.ts'
export { Bitfield } from './bitfield.ts'
export type { BlobInfo } from './blob-info.ts'
export type { BlobSource, LendingSource } from './blob-source.ts'
export type { ByteReader } from './byte-reader.ts'
export { ChunkBuffer, type LentBytes } from './chunk-buffer.ts'
export type { ChunkBuffersInit } from './chunk-buffers.ts'
export { CHUNK_BUFFERS_KEEP_BYTES, ChunkBuffers, MIN_CHUNK_BUFFER_BYTES } from './chunk-buffers.ts'
export { ChunkHasher } from './chunk-hasher.ts'
export type { ChunkMap, SignedChunkMap } from './chunk-map.ts'
export {
  CHUNK_DIGEST_BYTES,
  chunkCount,
  chunkDigest,
  chunkLength,
  chunkOffset,
  equalChunkMaps,
  MAX_BLOB_SIZE_BYTES,
  singleChunkMap,
  validateChunkMap
} from './chunk-map.ts'
export type { ChunkMapSegment } from './chunk-map-segment.ts'
export {
  assembleChunkMap,
  decodeSegment,
  SEGMENT_MAX_BYTES,
  SEGMENT_MAX_CHUNKS,
  segmentCount,
  signChunkMap,
  validateSignedChunkMap,
  verifySegment
} from './chunk-map-segment.ts'
export { chunkSizeFor, MAX_CHUNK_SIZE_BYTES, MIN_CHUNK_SIZE_BYTES, SINGLE_CHUNK_MAX_BYTES } from './chunk-sizing.ts'
export { Database, type DatabaseSnapshot, Table, type TableRange, type TableWrite } from './database.ts'
export type { ChunkMapErrorCode } from './errors.ts'
export {
  ChunkMapError,
  ChunkMismatchError,
  ChunkMissingError,
  IngestBusyError,
  StoreClosedError,
  StoreFullError,
  StoreLockedError
} from './errors.ts'
export { type FinishOptions, type Ingest, type IngestOptions, isIngestId, type PendingIngest } from './ingest.ts'
export type { PartialBlob } from './partial-blob.ts'
export { RECENT_CHUNKS_BYTES } from './recent-chunks.ts'
export type { SendOptions } from './send.ts'
export { SEND_BUFFER_BYTES, SEND_BUFFERS, SendInterruptedError, sendBlob } from './send.ts'
export { decodeSignedMap, encodeSegments } from './signed-map-bytes.ts'
export { ContentStore } from './store.ts'
export type { ContentStoreInit, StoreUsage } from './store-init.ts'
export { ACCESS_TIME_GRANULARITY_MS } from './whole-blobs.ts'
