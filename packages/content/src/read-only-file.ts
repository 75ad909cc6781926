import { close, closeSync, open, openSync, read, readSync } from 'node:fs'
import { promisify } from 'node:util'
import type { ReadPace } from './read-pace.ts'

const openElsewhere = promisify(open)
const readElsewhere = promisify(read)
const closeElsewhere = promisify(close)

/**
 * A file to read from, on the main thread where that does not wait for a disk. To send a small blob, handing the opening
 * and closing of its file to other threads costs more than everything else.
 */
export class ReadOnlyFile {
  readonly #descriptor: number
  readonly #pace: ReadPace
  /** Reads under way on other threads: until they are over, the descriptor must not be another file's. */
  #reading = 0
  #closed: PromiseWithResolvers<void> | undefined

  /** @throws the error of the operating system. */
  static async open(path: string, pace: ReadPace): Promise<ReadOnlyFile> {
    const descriptor = pace.mayWait(0) ? pace.time(() => openSync(path, 'r')) : await openElsewhere(path, 'r')
    return new ReadOnlyFile(descriptor, pace)
  }

  private constructor(descriptor: number, pace: ReadPace) {
    this.#descriptor = descriptor
    this.#pace = pace
  }

  /** Read into `target`, and say how many bytes it was; 0 at the end. Not to be called once closed. */
  async read(target: Uint8Array, position: number): Promise<number> {
    if (this.#closed !== undefined) throw new Error('a closed file cannot be read')
    const { length } = target
    if (this.#pace.mayWait(length)) {
      return this.#pace.time(() => readSync(this.#descriptor, target, 0, length, position))
    }
    this.#reading++
    try {
      return (await readElsewhere(this.#descriptor, target, 0, length, position)).bytesRead
    } finally {
      this.#reading--
      if (this.#reading === 0 && this.#closed !== undefined) this.#close(this.#closed)
    }
  }

  /** Close it, after the reads under way. May be called more than once. */
  async close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers<void>()
      if (this.#reading === 0) this.#close(this.#closed)
    }
    await this.#closed.promise
  }

  #close({ resolve, reject }: PromiseWithResolvers<void>): void {
    if (!this.#pace.mayWait(0)) {
      closeElsewhere(this.#descriptor).then(resolve, reject)
      return
    }
    try {
      this.#pace.time(() => closeSync(this.#descriptor))
      resolve()
    } catch (error) {
      reject(error)
    }
  }
}
