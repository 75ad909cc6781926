import type { FileHandle } from 'node:fs/promises'
import type { BlobInfo } from './blob-info.ts'
import type { BlobSource } from './blob-source.ts'
import { StoreClosedError } from './errors.ts'

/** A whole blob, read from its open file. The file may be removed from its directory meanwhile. */
export class FileSource implements BlobSource {
  readonly digest
  readonly size
  readonly #file: FileHandle
  readonly #onClose: () => void
  #closing: Promise<void> | undefined

  constructor(info: BlobInfo, file: FileHandle, onClose: () => void) {
    this.digest = info.digest
    this.size = info.size
    this.#file = file
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
    const { bytesRead } = await this.#file.read(target, 0, length, position)
    if (bytesRead === 0) throw new Error(`the file of ${this.digest} is shorter than its ${this.size} bytes`)
    return bytesRead
  }

  async close(): Promise<void> {
    this.#closing ??= this.#file.close().finally(this.#onClose)
    await this.#closing
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
