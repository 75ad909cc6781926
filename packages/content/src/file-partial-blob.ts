import type { FileHandle } from 'node:fs/promises'
import type { AbortOptions } from './abort.ts'
import type { Bitfield } from './bitfield.ts'
import type { BlobSource } from './blob-source.ts'
import type { LentBytes } from './chunk-buffer.ts'
import { assertPart, ChunkBuffer } from './chunk-buffer.ts'
import { chunkDigestOf } from './chunk-digest.ts'
import type { ChunkMap } from './chunk-map.ts'
import { chunkDigest, chunkLength, chunkOffset } from './chunk-map.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { MAX_CHUNK_SIZE_BYTES } from './chunk-sizing.ts'
import { ChunkMismatchError, ChunkMissingError, StoreClosedError } from './errors.ts'
import { readFully, writeFully } from './files.ts'
import { Listeners } from './listeners.ts'
import type { PartialBlob } from './partial-blob.ts'
import { PartialSource } from './partial-source.ts'

/** What a partial blob is made of. */
export interface FilePartialBlobInit {
  readonly map: ChunkMap
  readonly have: Bitfield
  readonly file: FileHandle
  /** Whether the file is that of a whole blob. */
  readonly complete: boolean
  readonly memory: ChunkMemory
  /** Make the file, which now holds every chunk, a whole blob. */
  readonly commit: (file: FileHandle) => Promise<void>
  /** A chunk of that many bytes was added. */
  readonly onStored: (bytes: number) => Promise<void>
  /** Called once, when nobody uses the blob any more, before its file is closed. */
  readonly onIdle: (blob: FilePartialBlob) => void
  readonly onClosed: (blob: FilePartialBlob) => Promise<void>
}

/** A partial blob in a file that has each chunk at its place. */
export class FilePartialBlob implements PartialBlob {
  readonly map: ChunkMap
  readonly have: Bitfield
  readonly #init: FilePartialBlobInit
  readonly #sources = new Set<PartialSource>()
  readonly #writing = new Map<number, Promise<void>>()
  /** Verified chunks that are on their way to the file: readers need not wait for that. */
  readonly #unwritten = new Map<number, Uint8Array>()
  /** The chunks that can be read: those held, and those unwritten. */
  readonly #readable: Bitfield
  readonly #onChunk = new Listeners<number>()
  readonly #onComplete = new Listeners<void>()
  readonly #closed = Promise.withResolvers<void>()
  #complete: boolean
  #completing: Promise<void> | undefined
  /** Those who joined. */
  #owners = 0
  /** Owners, sources and calls under way: the file stays open for all of them. */
  #users = 0
  #idle = false

  constructor(init: FilePartialBlobInit) {
    this.map = init.map
    this.have = init.have
    this.#readable = init.have.clone()
    this.#init = init
    this.#complete = init.complete
  }

  get complete(): boolean {
    return this.#complete
  }

  async put(index: number, chunk: Uint8Array | ChunkBuffer, options?: AbortOptions): Promise<'stored' | 'duplicate'> {
    return await this.#using(async () => {
      options?.signal?.throwIfAborted()
      const stored = !this.have.has(index) && (await this.#verifyAndStore(index, chunk, options?.signal))
      if (this.have.complete) await this.makeWhole()
      return stored ? 'stored' : 'duplicate'
    })
  }

  async readChunk(index: number, target: Uint8Array): Promise<number> {
    return await this.#using(async () => {
      if (!this.have.has(index)) throw new ChunkMissingError(index)
      const length = chunkLength(this.map, index)
      if (target.length < length)
        throw new RangeError(`chunk ${index} has ${length} bytes, but there is room for ${target.length}`)
      return await this.#read(target.subarray(0, length), chunkOffset(this.map, index))
    })
  }

  async lend(index: number, offset: number, length: number): Promise<LentBytes> {
    return await this.#using(async () => {
      if (!this.have.has(index)) throw new ChunkMissingError(index)
      assertPart(offset, length, chunkLength(this.map, index))
      const recent = this.#init.memory.recent.get(this, index)
      if (recent !== undefined) return recent.lend(offset, length)
      const buffer = this.#init.memory.buffers.take(length)
      try {
        await this.#readFile(buffer.bytes, chunkOffset(this.map, index) + offset)
        return buffer
      } catch (error) {
        buffer.release()
        throw error
      }
    })
  }

  source(): BlobSource {
    this.#enter()
    const source = new PartialSource({
      map: this.map,
      have: this.#readable,
      read: async (target, position) => await this.#using(async () => await this.#read(target, position)),
      closed: async (closed) => {
        if (this.#sources.delete(closed)) await this.#leave()
      }
    })
    this.#sources.add(source)
    return source
  }

  *awaited(): Generator<number> {
    for (const source of this.#sources) yield* source.awaited()
  }

  onChunk(listener: (index: number) => void): () => void {
    return this.#onChunk.add(listener)
  }

  onComplete(listener: () => void): () => void {
    const remove = this.#onComplete.add(listener)
    if (this.#complete) listener()
    return remove
  }

  fail(error: Error): void {
    for (const source of this.#sources) source.fail(error)
  }

  async release(): Promise<void> {
    if (this.#owners === 0) return
    this.#owners--
    if (this.#owners === 0 && !this.have.complete) {
      this.fail(new StoreClosedError(`the download of ${this.map.digest}`))
    }
    await this.#leave()
  }

  /** Join; `false` when it is too late, because the last user has gone. */
  retain(): boolean {
    if (this.#idle) return false
    this.#owners++
    this.#users++
    return true
  }

  /** Make the blob whole, all chunks being held. One attempt at a time; a failed one may be repeated. */
  async makeWhole(): Promise<void> {
    if (this.#complete) return
    this.#completing ??= this.#commit().finally(() => {
      this.#completing = undefined
    })
    await this.#completing
  }

  /** End all use at once, calls under way excepted, and wait for the end: the store closes. */
  async close(): Promise<void> {
    for (const source of this.#sources) await source.close()
    while (this.#owners > 0) {
      this.#owners--
      await this.#leave()
    }
    await this.#closed.promise
  }

  /** @returns whether it was stored here; `false` when somebody else was faster. */
  async #verifyAndStore(
    index: number,
    chunk: Uint8Array | ChunkBuffer,
    signal: AbortSignal | undefined
  ): Promise<boolean> {
    if (!(chunk instanceof ChunkBuffer)) return await this.#verifyAndStoreBytes(index, chunk, undefined, signal)
    // Held here too: memory that went back to its pool would be written over while it is on its way to the file.
    const buffer = chunk.retain()
    try {
      return await this.#verifyAndStoreBytes(index, buffer.bytes, buffer, signal)
    } finally {
      buffer.release()
    }
  }

  async #verifyAndStoreBytes(
    index: number,
    bytes: Uint8Array,
    buffer: ChunkBuffer | undefined,
    signal: AbortSignal | undefined
  ): Promise<boolean> {
    const length = chunkLength(this.map, index)
    if (bytes.length !== length) {
      throw new ChunkMismatchError(
        index,
        `chunk ${index} of ${this.map.digest} has ${length} bytes, not ${bytes.length}`
      )
    }
    // Here, in 3 ms at most: another thread would need a copy, which costs more than it takes off this one's back.
    const digest = await chunkDigestOf(bytes, MAX_CHUNK_SIZE_BYTES)
    if (Buffer.compare(digest, chunkDigest(this.map, index)) !== 0) {
      throw new ChunkMismatchError(index, `chunk ${index} of ${this.map.digest} does not have its SHA-256`)
    }
    signal?.throwIfAborted()
    const writing = this.#writing.get(index)
    if (writing !== undefined) await writing
    if (this.have.has(index)) return false
    const own = this.#store(index, bytes, buffer)
    this.#writing.set(index, own)
    try {
      await own
    } finally {
      this.#writing.delete(index)
    }
    return true
  }

  /** Only verified bytes come here, so that a chunk that is held can never be written over with wrong ones. */
  async #store(index: number, bytes: Uint8Array, buffer: ChunkBuffer | undefined): Promise<void> {
    this.#unwritten.set(index, bytes)
    this.#readable.set(index)
    for (const source of this.#sources) source.arrived(index)
    try {
      await writeFully(this.#init.file, bytes, chunkOffset(this.map, index), `blob ${this.map.digest}`)
      // Only now: a chunk whose write failed is neither held nor in memory, and what left the memory is in the file.
      if (buffer !== undefined) this.#init.memory.recent.add(this, index, buffer)
      this.have.set(index)
    } catch (error) {
      this.#readable.clear(index)
      throw error
    } finally {
      this.#unwritten.delete(index)
    }
    this.#onChunk.emit(index)
    await this.#init.onStored(bytes.length)
  }

  async #commit(): Promise<void> {
    await this.#init.commit(this.#init.file)
    this.#complete = true
    this.#onComplete.emit()
  }

  /** Fill `target` with held bytes: what just arrived from memory, the rest from the file. */
  async #read(target: Uint8Array, position: number): Promise<number> {
    let done = 0
    while (done < target.length) {
      const index = Math.floor((position + done) / this.map.chunkSize)
      const offset = position + done - chunkOffset(this.map, index)
      const part = target.subarray(done, done + chunkLength(this.map, index) - offset)
      const inMemory = this.#unwritten.get(index) ?? this.#init.memory.recent.get(this, index)?.bytes
      if (inMemory !== undefined) part.set(inMemory.subarray(offset, offset + part.length))
      // A source that saw it unwritten may come for it when the write has failed: the file has anything at that place.
      else if (this.have.has(index)) await this.#readFile(part, position + done)
      else throw new ChunkMissingError(index)
      done += part.length
    }
    return done
  }

  async #readFile(target: Uint8Array, position: number): Promise<number> {
    const length = await readFully(this.#init.file, target, position)
    if (length < target.length) throw new Error(`the file of ${this.map.digest} lost bytes that it held`)
    return length
  }

  async #using<T>(work: () => Promise<T>): Promise<T> {
    this.#enter()
    try {
      return await work()
    } finally {
      await this.#leave()
    }
  }

  #enter(): void {
    if (this.#idle) throw new StoreClosedError(`the partial blob ${this.map.digest}`)
    this.#users++
  }

  /** The last one to leave closes the file, and waits for it. */
  async #leave(): Promise<void> {
    this.#users--
    if (this.#users > 0 || this.#idle) return
    this.#idle = true
    this.#init.onIdle(this)
    try {
      await this.#init.file.close()
      this.#init.memory.recent.drop(this)
      await this.#init.onClosed(this)
    } finally {
      this.#closed.resolve()
    }
  }
}
