import type { BlobInfo } from './blob-info.ts'
import type { LendingSource } from './blob-source.ts'
import type { LentBytes } from './chunk-buffer.ts'
import { assertPart } from './chunk-buffer.ts'
import type { ChunkBuffers } from './chunk-buffers.ts'
import { StoreClosedError } from './errors.ts'
import type { ReadOnlyFile } from './read-only-file.ts'

/** A whole blob, read from its open file. The file may be removed from its directory meanwhile. */
export class FileSource implements LendingSource {
  readonly digest
  readonly size
  readonly #file: ReadOnlyFile
  readonly #buffers: ChunkBuffers
  readonly #onClose: () => void
  #closing: Promise<void> | undefined

  constructor(info: BlobInfo, file: ReadOnlyFile, buffers: ChunkBuffers, onClose: () => void) {
    this.digest = info.digest
    this.size = info.size
    this.#file = file
    this.#buffers = buffers
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
    const bytesRead = await this.#file.read(target.subarray(0, length), position)
    if (bytesRead === 0) throw this.#shortError()
    return bytesRead
  }

  async lend(position: number, length: number): Promise<LentBytes> {
    this.#check(position)
    assertPart(position, length, this.size)
    const buffer = this.#buffers.take(length)
    try {
      for (let done = 0; done < length; ) {
        const bytesRead = await this.#file.read(buffer.bytes.subarray(done), position + done)
        if (bytesRead === 0) throw this.#shortError()
        done += bytesRead
      }
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
