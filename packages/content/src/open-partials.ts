import { constants, fstatSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { open, rm } from 'node:fs/promises'
import type { Digest } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import { untilAborted } from './abort.ts'
import { Bitfield } from './bitfield.ts'
import type { BlobIndex } from './blob-index.ts'
import type { ChunkMap, SignedChunkMap } from './chunk-map.ts'
import { chunkCount, chunkLength, equalChunkMaps } from './chunk-map.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { ChunkMapError } from './errors.ts'
import { FilePartialBlob } from './file-partial-blob.ts'
import { storeError } from './files.ts'
import type { KeyedLock } from './keyed-lock.ts'
import type { Layout } from './layout.ts'
import type { Metadata } from './metadata.ts'
import { heldChunks } from './partial-scan.ts'

/** What the open partial blobs need of their store. */
export interface OpenPartialsInit {
  readonly layout: Layout
  readonly index: BlobIndex
  readonly metadata: Metadata
  readonly lock: KeyedLock<Digest>
  readonly now: () => number
  readonly memory: ChunkMemory
  /** Make a file under `path` the whole blob. */
  readonly commit: (file: FileHandle, path: string, map: ChunkMap) => Promise<void>
  /** Make room if need be. */
  readonly evict: () => Promise<void>
}

interface Slot {
  readonly signed: SignedChunkMap
  readonly opening: Promise<FilePartialBlob>
  blob?: FilePartialBlob
}

/** The partial blobs that are in use, one of each; all who want the same blob share it. */
export class OpenPartials {
  readonly #init: OpenPartialsInit
  readonly #slots = new Map<Digest, Slot>()

  constructor(init: OpenPartialsInit) {
    this.#init = init
  }

  find(digest: Digest): FilePartialBlob | undefined {
    return this.#slots.get(digest)?.blob
  }

  /** The chunk map of a partial blob in use. */
  chunkMap(digest: Digest): SignedChunkMap | undefined {
    return this.#slots.get(digest)?.signed
  }

  /** Whether the file of a partial blob is in use. */
  has(digest: Digest): boolean {
    return this.#slots.has(digest)
  }

  /**
   * Open a partial blob, go on with what is left of an earlier time, or join those who have it open.
   *
   * @throws ChunkMapError when it is open with a chunk map that says something else.
   */
  async join(signed: SignedChunkMap, options?: AbortOptions): Promise<FilePartialBlob> {
    const { digest } = signed.map
    for (;;) {
      options?.signal?.throwIfAborted()
      const slot = this.#slots.get(digest) ?? this.#openSlot(signed)
      if (!equalChunkMaps(slot.signed.map, signed.map)) {
        throw new ChunkMapError(`there are two different chunk maps of ${digest}`)
      }
      // Taken as soon as it is open, and not when this caller gets to run: the last user may leave in between.
      const joined = slot.opening.then((blob) => (blob.retain() ? blob : undefined))
      try {
        const blob = await untilAborted(joined, options?.signal)
        if (blob !== undefined) return blob
      } catch (error) {
        joined.then(
          (blob) => blob?.release(),
          () => undefined
        )
        throw error
      }
    }
  }

  /** Close all. What they hold stays on disk. */
  async close(): Promise<void> {
    const slots = [...this.#slots.values()]
    const blobs = await Promise.allSettled(slots.map(({ opening }) => opening))
    for (const opened of blobs) if (opened.status === 'fulfilled') await opened.value.close()
  }

  #openSlot(signed: SignedChunkMap): Slot {
    const { digest } = signed.map
    const slot: Slot = {
      signed,
      opening: this.#open(signed).then(
        (blob) => {
          slot.blob = blob
          return blob
        },
        (error: unknown) => {
          this.#slots.delete(digest)
          this.#init.index.unpin(digest)
          throw storeError(error, `blob ${digest}`)
        }
      )
    }
    this.#slots.set(digest, slot)
    this.#init.index.pin(digest)
    return slot
  }

  async #open(signed: SignedChunkMap): Promise<FilePartialBlob> {
    const { index, layout, lock, metadata } = this.#init
    const { map } = signed
    if (signed.segments.length > 0) await metadata.putChunkMap(signed)
    const path = layout.partial(map.digest)
    // Under the lock, so that no file is opened that is being removed or renamed at this moment.
    const { file, whole } = await lock.run(map.digest, async () => {
      const info = index.whole(map.digest)
      if (info === undefined)
        return { file: await open(path, constants.O_RDWR | constants.O_CREAT, 0o644), whole: false }
      if (info.size !== map.size) throw new ChunkMapError(`${map.digest} has ${info.size} bytes, not ${map.size}`)
      return { file: await open(layout.blob(map.digest), 'r'), whole: true }
    })
    if (whole) return this.#blob(map, file, Bitfield.full(chunkCount(map)), true)
    try {
      // Bytes past the end can only come from another chunk map, which was wrong.
      // The file was opened just now, so that its size is in memory.
      const { size } = fstatSync(file.fd)
      if (size > map.size) await file.truncate(map.size)
      const have = await heldChunks(file, Math.min(size, map.size), map)
      if (index.whole(map.digest) === undefined) {
        index.set({ digest: map.digest, whole: false, bytes: sum(map, have), accessedAt: this.#init.now() })
      }
      const blob = this.#blob(map, file, have, false)
      if (have.complete) await blob.makeWhole()
      return blob
    } catch (error) {
      await file.close()
      throw error
    }
  }

  #blob(map: ChunkMap, file: FileHandle, have: Bitfield, complete: boolean): FilePartialBlob {
    const { commit, evict, index, layout, memory } = this.#init
    const path = layout.partial(map.digest)
    return new FilePartialBlob({
      map,
      file,
      have,
      complete,
      memory,
      commit: async () => await commit(file, path, map),
      onStored: async (bytes) => {
        index.grow(map.digest, bytes)
        await evict()
      },
      onIdle: () => {
        this.#slots.delete(map.digest)
        index.unpin(map.digest)
      },
      onClosed: async (blob) => {
        // Somebody else may have brought the whole blob meanwhile.
        const whole = index.whole(map.digest) !== undefined
        if (whole && !blob.complete && !this.has(map.digest)) await rm(path, { force: true })
      }
    })
  }
}

function sum(map: ChunkMap, have: Bitfield): number {
  let bytes = 0
  for (let index = 0; index < have.length; index++) if (have.has(index)) bytes += chunkLength(map, index)
  return bytes
}
