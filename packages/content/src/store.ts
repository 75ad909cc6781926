import type { KeyObject } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Digest } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import { BlobIndex } from './blob-index.ts'
import type { BlobInfo } from './blob-info.ts'
import type { LendingSource } from './blob-source.ts'
import { BufferPool } from './buffer-pool.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { ChunkHasher } from './chunk-hasher.ts'
import type { ChunkMap, SignedChunkMap } from './chunk-map.ts'
import { singleChunkMap } from './chunk-map.ts'
import { signChunkMap, validateSignedChunkMap } from './chunk-map-segment.ts'
import { ChunkMemory } from './chunk-memory.ts'
import { SINGLE_CHUNK_MAX_BYTES } from './chunk-sizing.ts'
import { EarlySyncs } from './early-sync.ts'
import { BorrowedBlobsError, IngestBusyError, StoreClosedError } from './errors.ts'
import { Eviction } from './eviction.ts'
import { FileIngest } from './file-ingest.ts'
import { storeError } from './files.ts'
import { FreeSpace } from './free-space.ts'
import { type Ingest, type IngestOptions, isIngestId, type PendingIngest } from './ingest.ts'
import { KeyedLock } from './keyed-lock.ts'
import { Layout } from './layout.ts'
import { Metadata } from './metadata.ts'
import { createStoreMetrics, measureChunkBuffers, measureSendBuffers } from './metrics.ts'
import { OpenPartials } from './open-partials.ts'
import type { PartialBlob } from './partial-blob.ts'
import { sendBuffers } from './send.ts'
import type { ContentStoreInit, StoreUsage } from './store-init.ts'
import { scanStore } from './store-scan.ts'
import { WholeBlobs } from './whole-blobs.ts'

/**
 * Blobs by digest in a directory: whole ones, ones that arrive, and the chunk maps of both.
 *
 * A whole blob is at `blobs/<algorithm>/<2 hex>/<hex>` and gets there only by a rename of a verified, synced file. One
 * that arrives is under `uploads/` or `partial/`. Chunk maps and access times are in `meta/`.
 */
export class ContentStore {
  /** Memory for chunks on their way in and out. What is free of it is given back when no chunk moves for a while. */
  readonly buffers: ChunkBuffers
  readonly #init: ContentStoreInit
  readonly #layout: Layout
  readonly #metadata: Metadata
  readonly #index: BlobIndex
  readonly #eviction: Eviction
  readonly #partials: OpenPartials
  readonly #ingests = new Set<FileIngest>()
  readonly #blobs: WholeBlobs
  readonly #lock = new KeyedLock<Digest>()
  readonly #making = new KeyedLock<Digest>()
  readonly #pool = new BufferPool()
  readonly #syncs = new EarlySyncs()
  readonly #space: FreeSpace
  readonly #memory: ChunkMemory
  #lastUpload = 0
  #closing: Promise<void> | undefined

  private constructor(init: ContentStoreInit, layout: Layout, metadata: Metadata) {
    const metrics = createStoreMetrics(init.metrics)
    const index = new BlobIndex(metrics.stored)
    const shared = { layout, metadata, index, lock: this.#lock, now: init.now ?? Date.now }
    this.#memory = new ChunkMemory(init)
    this.buffers = this.#memory.buffers
    measureChunkBuffers(init.metrics, this.buffers)
    measureSendBuffers(init.metrics, sendBuffers)
    this.#init = init
    this.#layout = layout
    this.#space = new FreeSpace(init.directory)
    this.#metadata = metadata
    this.#index = index
    this.#blobs = new WholeBlobs({ ...shared, buffers: this.buffers })
    this.#eviction = new Eviction({
      index,
      limitBytes: init.limitBytes,
      remove: async ({ digest }) => await this.#blobs.remove(digest, () => !index.pinned(digest)),
      metrics
    })
    this.#partials = new OpenPartials({
      ...shared,
      memory: this.#memory,
      commit: async (file, path, map) => await this.#commit(async () => await file.sync(), path, map),
      evict: async () => await this.#eviction.run()
    })
  }

  /**
   * Open a store and take stock of what is in its directory.
   *
   * @throws StoreLockedError when another process has it open.
   */
  static async open(init: ContentStoreInit): Promise<ContentStore> {
    const layout = new Layout(init.directory, init.blobs)
    await layout.makeDirectory()
    // The database first: its lock keeps a second process from emptying the uploads of this one.
    const metadata = await Metadata.open(layout.metadata)
    try {
      await layout.prepare()
      const store = new ContentStore(init, layout, metadata)
      await scanStore(layout, metadata, store.#index)
      await store.#eviction.run()
      return store
    } catch (error) {
      await metadata.close()
      throw error
    }
  }

  get usage(): StoreUsage {
    const { limitBytes } = this.#init
    const usage = { bytes: this.#index.bytes, blobs: this.#index.blobs }
    return limitBytes === undefined ? usage : { ...usage, limitBytes }
  }

  /** Whether a whole blob is here, from memory. */
  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    return this.#index.whole(digest)
  }

  /** All whole blobs that are here now. */
  async *list(): AsyncGenerator<BlobInfo, void, void> {
    for (const { digest } of this.#index.entries()) {
      const info = this.#index.whole(digest)
      if (info !== undefined) yield info
    }
  }

  /** Read a whole blob. It is not evicted while the source is open. */
  async open(digest: Digest): Promise<LendingSource | undefined> {
    this.#assertOpen()
    return await this.#blobs.open(digest)
  }

  /**
   * Take in a blob that comes in order, for instance by an upload.
   *
   * @throws IngestBusyError when one of the same `id` is open, RangeError for an `id` that cannot be one, StoreFullError
   */
  async ingest(options?: IngestOptions): Promise<Ingest> {
    this.#assertOpen()
    const id = options?.id
    if (id !== undefined && !isIngestId(id)) throw new RangeError(`an ingest cannot have the name ${id}`)
    const path = this.#layout.upload(id ?? ++this.#lastUpload)
    if ([...this.#ingests].some((ingest) => ingest.path === path)) throw new IngestBusyError()
    const file = await openUpload(path, id !== undefined)
    const ingest = new FileIngest({
      file,
      path,
      received: (await file.stat()).size,
      named: id !== undefined,
      size: options?.size,
      algorithm: options?.algorithm ?? 'sha256',
      onReceived: options?.onReceived,
      chunked: this.#init.signer !== undefined && !isOneChunk(options),
      pool: this.#pool,
      space: this.#space,
      syncs: this.#syncs,
      commit: async (sync, from, info, map) => await this.#commitIngest(sync, from, info, map),
      onOver: (over) => this.#ingests.delete(over)
    })
    this.#ingests.add(ingest)
    return ingest
  }

  /** The ingests with an `id` that are not open, for instance because the process ended before they were finished. */
  async pendingIngests(): Promise<PendingIngest[]> {
    const open = new Set([...this.#ingests].map(({ path }) => path))
    const pending: PendingIngest[] = []
    for (const id of await this.#layout.uploadNames()) {
      const path = this.#layout.upload(id)
      if (open.has(path)) continue
      const { mtimeMs, size } = await stat(path)
      pending.push({ id, received: size, usedAt: mtimeMs })
    }
    return pending
  }

  /**
   * Take in a blob chunk by chunk: go on with what is held of it, or join those who do. A whole blob gives a partial
   * one that is complete. Whoever calls has verified the signatures, and calls `release` in the end.
   *
   * @throws ChunkMapError when the chunk map contradicts itself or the one in use.
   */
  async partial(signed: SignedChunkMap, options?: AbortOptions): Promise<PartialBlob> {
    this.#assertOpen()
    validateSignedChunkMap(signed)
    return await this.#partials.join(signed, options)
  }

  /** The partial blob that is in use now. */
  findPartial(digest: Digest): PartialBlob | undefined {
    return this.#partials.find(digest)
  }

  /** The chunk map of a blob that is here, whole or in part. With a signer, a missing one is made from the whole blob. */
  async chunkMap(digest: Digest): Promise<SignedChunkMap | undefined> {
    this.#assertOpen()
    const inUse = this.#partials.chunkMap(digest)
    if (inUse !== undefined) return inUse
    const info = this.#index.whole(digest)
    const single = info === undefined ? undefined : singleChunkMap(digest, info.size)
    if (single !== undefined) return { map: single, segments: [] }
    return await this.#making.run(
      digest,
      async () => (await this.#metadata.chunkMap(digest)) ?? (await this.#makeChunkMap(digest))
    )
  }

  /** Remember the chunk map of a blob that is here, whole or in part; that of another blob is not kept. */
  async putChunkMap(signed: SignedChunkMap): Promise<void> {
    this.#assertOpen()
    validateSignedChunkMap(signed)
    if (signed.segments.length === 0) return
    await this.#lock.run(signed.map.digest, async () => {
      if (this.#index.get(signed.map.digest) !== undefined) await this.#metadata.putChunkMap(signed)
    })
  }

  /**
   * Remove a blob, whole or in part, and its chunk map. Those who read it go on. A partial blob that is in use stays.
   *
   * @returns whether there was one to remove.
   */
  async delete(digest: Digest): Promise<boolean> {
    this.#assertOpen()
    if (this.#layout.isBorrowed) throw new BorrowedBlobsError()
    return await this.#blobs.remove(digest, (whole) => whole || !this.#partials.has(digest))
  }

  /** Look again at what another process keeps (`blobs`), and tell of what came and went. */
  async refresh(): Promise<void> {
    this.#assertOpen()
    if (!this.#layout.isBorrowed) return
    const before = new Map((await Array.fromAsync(this.list())).map((info) => [info.digest, info]))
    const now = new BlobIndex()
    await scanStore(this.#layout, this.#metadata, now)
    for (const entry of now.entries()) {
      if (before.delete(entry.digest)) continue
      this.#index.set(entry)
      this.#blobs.added.emit({ digest: entry.digest, size: entry.bytes })
    }
    for (const info of before.values()) {
      this.#index.remove(info.digest)
      this.#blobs.removed.emit(info)
    }
  }

  /** Be told of every blob that becomes whole from now on. Returns what undoes it. */
  onAdded(listener: (info: BlobInfo) => void): () => void {
    return this.#blobs.added.add(listener)
  }

  /** Be told of every whole blob that is deleted or evicted from now on. Returns what undoes it. */
  onRemoved(listener: (info: BlobInfo) => void): () => void {
    return this.#blobs.removed.add(listener)
  }

  /**
   * Drop unfinished ingests that have no `id`, keep those that have one and partial blobs for later, and close. Sources of
   * whole blobs go on until closed.
   */
  async close(): Promise<void> {
    this.#closing ??= (async () => {
      await Promise.allSettled([...this.#ingests].map(async (ingest) => await ingest.suspend()))
      await this.#partials.close()
      this.#memory.close()
      await this.#metadata.close()
    })()
    await this.#closing
  }

  #assertOpen(): void {
    if (this.#closing !== undefined) throw new StoreClosedError()
  }

  async #commitIngest(
    sync: () => Promise<void>,
    path: string,
    info: BlobInfo,
    map: ChunkMap | undefined
  ): Promise<void> {
    if (this.#index.whole(info.digest) !== undefined) return await this.#blobs.touch(info.digest)
    // Both wait for the disk, and both are needed before the blob gets its name.
    const [mapped, synced] = await Promise.allSettled([this.#putOwnChunkMap(info, map), sync()])
    if (synced.status === 'rejected') throw synced.reason
    if (mapped.status === 'rejected') throw mapped.reason
    await this.#commit(async () => undefined, path, info)
  }

  async #putOwnChunkMap({ digest, size }: BlobInfo, map: ChunkMap | undefined): Promise<void> {
    const signer = this.#init.signer
    if (map === undefined || signer === undefined || singleChunkMap(digest, size) !== undefined) return
    await this.#metadata.putChunkMap({ map, segments: signChunkMap(map, signer) })
  }

  async #commit(sync: () => Promise<void>, path: string, info: BlobInfo): Promise<void> {
    if (this.#layout.isBorrowed) throw new BorrowedBlobsError()
    await this.#blobs.commit(sync, path, { digest: info.digest, size: info.size })
    await this.#eviction.run(info.digest)
  }

  /** A blob that came without a chunk map, or whose own was lost, is read once to make one. */
  async #makeChunkMap(digest: Digest): Promise<SignedChunkMap | undefined> {
    const signer: KeyObject | undefined = this.#init.signer
    const source = signer === undefined ? undefined : await this.open(digest)
    if (signer === undefined || source === undefined) return undefined
    const buffer = this.#pool.take()
    try {
      const hasher = new ChunkHasher(source.size)
      while (hasher.size < source.size) {
        const length = await source.read(buffer, hasher.size)
        hasher.update(buffer.subarray(0, length))
      }
      const map = hasher.finish(digest)
      const signed = { map, segments: signChunkMap(map, signer) }
      await this.putChunkMap(signed)
      return signed
    } finally {
      this.#pool.give(buffer)
      await source.close()
    }
  }
}

/** Whether the digest of the blob is going to be its chunk map: there is nothing more to hash then. */
function isOneChunk(options: IngestOptions | undefined): boolean {
  const { algorithm = 'sha256', size = Number.POSITIVE_INFINITY } = options ?? {}
  return algorithm === 'sha256' && size <= SINGLE_CHUNK_MAX_BYTES
}

async function openUpload(path: string, again: boolean): Promise<FileHandle> {
  try {
    return await open(path, constants.O_RDWR | constants.O_CREAT | (again ? 0 : constants.O_EXCL), 0o644)
  } catch (error) {
    throw storeError(error, path)
  }
}
