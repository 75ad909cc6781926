import type { Digest } from '@shoal/oci'
import { isDigest } from '@shoal/oci'
import type { SignedChunkMap } from './chunk-map.ts'
import { Database, type Table } from './database.ts'
import { StoreLockedError } from './errors.ts'
import { errorCode } from './files.ts'
import { decodeSignedMap, encodeSegments } from './signed-map-bytes.ts'

/** What is remembered of a whole blob beside its file. */
export interface BlobRecord {
  readonly size: number
  /** When it was last opened, milliseconds since 1970. */
  readonly accessedAt: number
}

/** The small things that belong to blobs, in `level`: access times and signed chunk maps. */
export class Metadata {
  readonly #database: Database
  readonly #records: Table<BlobRecord>
  readonly #maps: Table<Uint8Array>

  private constructor(database: Database) {
    this.#database = database
    this.#records = database.table<BlobRecord>('blobs', 'json')
    this.#maps = database.table<Uint8Array>('chunk-maps', 'view')
  }

  /** @throws StoreLockedError when another process has it open, StoreFullError. */
  static async open(path: string): Promise<Metadata> {
    try {
      return new Metadata(await Database.open(path))
    } catch (error) {
      const cause = error instanceof Error ? error.cause : undefined
      throw errorCode(cause) === 'LEVEL_LOCKED' ? new StoreLockedError(path, { cause }) : error
    }
  }

  async records(): Promise<Map<Digest, BlobRecord>> {
    const records = new Map<Digest, BlobRecord>()
    for await (const [key, record] of this.#records.entries()) if (isDigest(key)) records.set(key, record)
    return records
  }

  async putRecord(digest: Digest, record: BlobRecord): Promise<void> {
    await this.#database.write([this.#records.put(digest, record)])
  }

  async deleteRecord(digest: Digest): Promise<void> {
    await this.#database.write([this.#records.del(digest)])
  }

  /** The blobs that have a chunk map here. */
  async *mapped(): AsyncGenerator<string, void, void> {
    yield* this.#maps.keys()
  }

  /** @throws ChunkMapError when what is stored is damaged. */
  async chunkMap(digest: Digest): Promise<SignedChunkMap | undefined> {
    const stored = await this.#maps.get(digest)
    if (stored === undefined) return undefined
    return decodeSignedMap(stored)
  }

  /** Durable when it resolves, as a chunk map has to be there before the bytes that only it can prove. */
  async putChunkMap({ map, segments }: SignedChunkMap): Promise<void> {
    await this.#database.write([this.#maps.put(map.digest, encodeSegments(segments))], { sync: true })
  }

  async delete(digest: string): Promise<void> {
    await this.#database.write([this.#records.del(digest), this.#maps.del(digest)])
  }

  async close(): Promise<void> {
    await this.#database.close()
  }
}
