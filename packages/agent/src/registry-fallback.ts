import { SEGMENT_MAX_BYTES } from '@shoal/content'
import type { ByteRange, Digest, RegistryClient } from '@shoal/oci'
import type { Fallback, OfferedChunkMap } from '@shoal/swarm'
import type { BlobNames } from './blob-names.ts'

const MAX_CHUNK_MAP_BYTES = 128 * 1024 * 1024
/** Whoever waits for a chunk map waits to be told that nobody has the blob: that must come soon. */
const CHUNK_MAP_TIMEOUT_MS = 3_000
const SIZE_HEADER = 'shoal-blob-size'

/** The registry's answer to a question for a chunk map makes no sense. */
export class ChunkMapAnswerError extends Error {
  readonly code = 'CHUNK_MAP_ANSWER_INVALID'

  constructor(digest: Digest, what: string) {
    super(`the registry’s chunk map of ${digest} ${what}`)
    this.name = 'ChunkMapAnswerError'
  }
}

/** Reads from the registry over HTTP what no peer can give. */
export class RegistryFallback implements Fallback {
  readonly #client: RegistryClient
  readonly #names: BlobNames

  constructor(client: RegistryClient, names: BlobNames) {
    this.#client = client
    this.#names = names
  }

  async chunkMap(digest: Digest, options?: { signal?: AbortSignal }): Promise<OfferedChunkMap | undefined> {
    const timeout = AbortSignal.timeout(CHUNK_MAP_TIMEOUT_MS)
    const response = await this.#client.get(`/api/v1/chunk-maps/${digest}`, {
      signal: options?.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout]),
      maxBytes: MAX_CHUNK_MAP_BYTES
    })
    if (response.status === 404) return undefined
    const size = Number(response.headers[SIZE_HEADER])
    if (response.status !== 200 || !Number.isSafeInteger(size) || size < 0) {
      throw new ChunkMapAnswerError(digest, `came with status ${response.status} and no valid size`)
    }
    return { size, segments: splitSegments(digest, response.bytes) }
  }

  async read(
    digest: Digest,
    range: ByteRange,
    options?: { signal?: AbortSignal }
  ): Promise<AsyncIterable<Uint8Array> | undefined> {
    const name = this.#names.get(digest)
    if (name === undefined) return undefined
    if (name.kind === 'blob') {
      const blob = await this.#client.getBlob(name.repository, digest, { ...options, range })
      return blob?.body
    }
    const manifest = await this.#client.getManifest(name.repository, digest, options)
    return manifest && one(manifest.bytes.subarray(range.start, range.end))
  }
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Takes apart `u32 length, segment` again and again. */
function splitSegments(digest: Digest, bytes: Uint8Array): Uint8Array[] {
  const segments: Uint8Array[] = []
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  for (let at = 0; at < bytes.length; ) {
    if (at + 4 > bytes.length) throw new ChunkMapAnswerError(digest, 'is cut off')
    const length = view.getUint32(at)
    if (length > SEGMENT_MAX_BYTES || at + 4 + length > bytes.length) {
      throw new ChunkMapAnswerError(digest, `has a segment of ${length} bytes, which cannot be`)
    }
    segments.push(bytes.subarray(at + 4, at + 4 + length))
    at += 4 + length
  }
  return segments
}
