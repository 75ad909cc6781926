import { statfs } from 'node:fs/promises'
import { StoreFullError } from './errors.ts'

/** The least that is left free on the disk for metadata, bytes: on a disk full of blobs, deleting has to be possible. */
export const RESERVE_MAX_BYTES = 64 * 1024 * 1024
/** The same as a share of the disk; the smaller of the two holds. */
export const RESERVE_SHARE = 0.01
/** What is known of the free space is used for so long. */
export const FREE_SPACE_AGE_MS = 100

/** Says no to blobs before the disk is full to the last byte. */
export class FreeSpace {
  readonly #directory: string
  #left = 0
  #lookedAt = Number.NEGATIVE_INFINITY
  #looking: Promise<void> | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /** Say that so many bytes will be written. @throws StoreFullError when they would touch the reserve */
  async claim(bytes: number): Promise<void> {
    this.#left -= bytes
    if (this.#left >= 0 && performance.now() - this.#lookedAt < FREE_SPACE_AGE_MS) return
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined
    })
    await this.#looking
    this.#left -= bytes
    if (this.#left < 0) throw new StoreFullError(this.#directory)
  }

  async #look(): Promise<void> {
    const { bavail, blocks, bsize } = await statfs(this.#directory)
    this.#left = bavail * bsize - Math.min(RESERVE_MAX_BYTES, blocks * bsize * RESERVE_SHARE)
    this.#lookedAt = performance.now()
  }
}
