import { readSync } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import type { BlobInfo } from './blob-info.ts'
import type { LendingSource } from './blob-source.ts'
import type { LentBytes } from './chunk-buffer.ts'
import { assertPart } from './chunk-buffer.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { StoreClosedError } from './errors.ts'
import { readFully } from './files.ts'
import type { ReadPace } from './read-pace.ts'

/** What the sources of a store share. */
export interface FileSourceMemory {
  readonly buffers: ChunkBuffers
  readonly pace: ReadPace
}

/** A whole blob, read from its open file. The file may be removed from its directory meanwhile. */
export class FileSource implements LendingSource {
  readonly digest
  readonly size
  readonly #file: FileHandle
  readonly #buffers: ChunkBuffers
  readonly #pace: ReadPace
  readonly #onClose: () => void
  #closing: Promise<void> | undefined

  constructor(info: BlobInfo, file: FileHandle, memory: FileSourceMemory, onClose: () => void) {
    this.digest = info.digest
    this.size = info.size
    this.#file = file
    this.#buffers = memory.buffers
    this.#pace = memory.pace
    this.#onClose = onClose
  }

  async available(position: number): Promise<number> {
    this.#check(position)
    return this.size - position
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#check(position)
    const length = Math.min(target.length, this.size - position)
    if (length === 0) return 0
    const bytesRead = this.#pace.mayWait(length)
      ? this.#pace.read(() => readSync(this.#file.fd, target, 0, length, position))
      : (await this.#file.read(target, 0, length, position)).bytesRead
    if (bytesRead === 0) throw this.#shortError()
    return bytesRead
  }

  async lend(position: number, length: number): Promise<LentBytes> {
    this.#check(position)
    assertPart(position, length, this.size)
    const buffer = this.#buffers.take(length)
    try {
      if ((await readFully(this.#file, buffer.bytes, position)) < length) throw this.#shortError()
      return buffer
    } catch (error) {
      buffer.release()
      throw error
    }
  }

  async close(): Promise<void> {
    this.#closing ??= this.#file.close().finally(this.#onClose)
    await this.#closing
  }

  #shortError(): Error {
    return new Error(`the file of ${this.digest} is shorter than its ${this.size} bytes`)
  }

  #check(position: number): void {
    if (this.#closing !== undefined) throw new StoreClosedError(`the source of ${this.digest}`)
    checkPosition(position, this.size)
  }
}

/** @throws RangeError when a blob of `size` bytes has no such position. */
export function checkPosition(position: number, size: number): void {
  if (!Number.isSafeInteger(position) || position < 0 || position > size) {
    throw new RangeError(`position ${position} is not within ${size} bytes`)
  }
}
