import { rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Digest } from '@shoal/oci'
import type { BlobIndex } from './blob-index.ts'
import type { BlobInfo } from './blob-info.ts'
import type { LendingSource } from './blob-source.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { StoreFullError } from './errors.ts'
import { FileSource } from './file-source.ts'
import { errorCode, storeError, syncDirectory } from './files.ts'
import type { KeyedLock } from './keyed-lock.ts'
import type { Layout } from './layout.ts'
import { Listeners } from './listeners.ts'
import type { Metadata } from './metadata.ts'
import { ReadOnlyFile } from './read-only-file.ts'
import { ReadPace } from './read-pace.ts'

/** An access time is written down at most this often for a blob: it only orders eviction after a restart. */
export const ACCESS_TIME_GRANULARITY_MS = 60_000

/** What the whole blobs need of their store. */
export interface WholeBlobsInit {
  readonly layout: Layout
  readonly metadata: Metadata
  readonly index: BlobIndex
  /** Held while the files of a blob appear or vanish. */
  readonly lock: KeyedLock<Digest>
  readonly now: () => number
  readonly buffers: ChunkBuffers
}

/** Makes blobs whole, opens them and removes them. */
export class WholeBlobs {
  readonly added = new Listeners<BlobInfo>()
  readonly removed = new Listeners<BlobInfo>()
  readonly #init: WholeBlobsInit
  readonly #pace: ReadPace

  constructor(init: WholeBlobsInit) {
    this.#init = init
    this.#pace = new ReadPace()
  }

  /** Read a blob. It is pinned until the source is closed. */
  async open(digest: Digest): Promise<LendingSource | undefined> {
    const { buffers, index, layout } = this.#init
    const info = index.whole(digest)
    if (info === undefined) return undefined
    index.pin(digest)
    const unpin = (): void => index.unpin(digest)
    try {
      const file = await ReadOnlyFile.open(layout.blob(digest), this.#pace)
      await this.touch(digest)
      return new FileSource(info, file, buffers, unpin)
    } catch (error) {
      unpin()
      // Deleted just now.
      if (errorCode(error) === 'ENOENT') return undefined
      throw error
    }
  }

  /**
   * Make a verified file the whole blob, once `sync` made its content durable. The rename is the moment that decides: before it nothing is promised, and
   * all that belongs to the blob is durable when it happens.
   *
   * @throws StoreFullError
   */
  async commit(sync: () => Promise<void>, path: string, { digest, size }: BlobInfo): Promise<void> {
    const { index, layout, lock, metadata, now } = this.#init
    try {
      await sync()
      await lock.run(digest, async () => {
        const accessedAt = now()
        const target = layout.blob(digest)
        const isNew = index.whole(digest) === undefined
        await metadata.putRecord(digest, { size, accessedAt })
        await layout.makeParent(target)
        await rename(path, target)
        await syncDirectory(dirname(target))
        index.set({ digest, whole: true, bytes: size, accessedAt })
        if (isNew) this.added.emit({ digest, size })
      })
    } catch (error) {
      throw storeError(error, `blob ${digest}`)
    }
  }

  /**
   * Remove a blob, whole or in part, with its chunk map.
   *
   * @param may is asked at the last moment whether to go on.
   * @returns whether it was removed.
   */
  async remove(digest: Digest, may: (whole: boolean) => boolean): Promise<boolean> {
    const { index, layout, lock, metadata } = this.#init
    return await lock.run(digest, async () => {
      const entry = index.get(digest)
      if (entry === undefined || !may(entry.whole)) return false
      index.remove(digest)
      try {
        await rm(entry.whole ? layout.blob(digest) : layout.partial(digest), { force: true })
      } catch (error) {
        index.set(entry)
        throw error
      }
      if (entry.whole) this.removed.emit({ digest, size: entry.bytes })
      await metadata.delete(digest).catch((error: unknown) => {
        // The file is gone, which makes room; what is remembered of it is dropped at the next start.
        if (!(error instanceof StoreFullError)) throw error
      })
      return true
    })
  }

  /** Say that a blob was used. */
  async touch(digest: Digest): Promise<void> {
    const { index, metadata, now } = this.#init
    const entry = index.get(digest)
    if (entry === undefined) return
    const accessedAt = now()
    const isDue = accessedAt - entry.accessedAt >= ACCESS_TIME_GRANULARITY_MS
    // Set in any case: it moves to the end of those that may be evicted.
    index.set(isDue ? { ...entry, accessedAt } : entry)
    if (!isDue || !entry.whole) return
    // A blob can be read on a disk that takes no more writes; only the order of a later eviction suffers.
    await metadata.putRecord(digest, { size: entry.bytes, accessedAt }).catch(() => undefined)
  }
}
