import type { BlobSource } from '@shoal/content'
import type { Digest } from '@shoal/oci'

/** Whole blobs whose files are kept open for uploads; the one read longest ago is closed, and opened again when it is asked for. */
export const MAX_OPEN_FILES = 256

interface OpenFile {
  readonly source: Promise<BlobSource>
  /** Reads under way. */
  reads: number
  /** Whether it has been read since {@link OpenFiles.sweep} came by. */
  isFresh: boolean
}

/**
 * Files of whole blobs that peers may ask for. A peer's want lasts as long as its link does, and costs no file: one is open only while
 * it is read, and for a while after that.
 */
export class OpenFiles {
  /** The one read longest ago first. */
  readonly #files = new Map<Digest, OpenFile>()
  readonly #open: (digest: Digest) => Promise<BlobSource | undefined>
  readonly #onError: (error: unknown, digest: Digest) => void

  /** @param onError told of a file that could not be closed */
  constructor(
    open: (digest: Digest) => Promise<BlobSource | undefined>,
    onError: (error: unknown, digest: Digest) => void
  ) {
    this.#open = open
    this.#onError = onError
  }

  /** Files that are open, or being opened. */
  get size(): number {
    return this.#files.size
  }

  /**
   * As {@link BlobSource.read}. Beyond {@link MAX_OPEN_FILES} only files that are read at this very moment are open.
   *
   * @throws Error when the blob has gone
   */
  async read(digest: Digest, target: Uint8Array, position: number): Promise<number> {
    const file = this.#files.get(digest) ?? { source: this.#opened(digest), reads: 0, isFresh: true }
    this.#files.delete(digest)
    this.#files.set(digest, file)
    file.reads++
    file.isFresh = true
    this.#closeIdle()
    try {
      return await (await file.source).read(target, position)
    } catch (error) {
      // The next one who asks opens it anew.
      if (this.#files.get(digest) === file) this.#files.delete(digest)
      throw error
    } finally {
      file.reads--
      if (file.reads === 0 && this.#files.get(digest) !== file) this.#close(digest, file)
      else this.#closeIdle()
    }
  }

  /** A blob is not served any more: its file is closed when the reads under way are over. */
  forget(digest: Digest): void {
    const file = this.#files.get(digest)
    this.#files.delete(digest)
    if (file?.reads === 0) this.#close(digest, file)
  }

  /** Closes what has not been read since the last time: an open file holds its blob in the cache. */
  sweep(): void {
    for (const [digest, file] of this.#files) {
      if (!file.isFresh && file.reads === 0) this.forget(digest)
      file.isFresh = false
    }
  }

  /** Closes all. */
  async close(): Promise<void> {
    const files = [...this.#files.values()]
    this.#files.clear()
    await Promise.allSettled(files.map(async ({ source }) => (await source).close()))
  }

  async #opened(digest: Digest): Promise<BlobSource> {
    const source = await this.#open(digest)
    if (source === undefined) throw new Error(`${digest} is not here any more`)
    return source
  }

  #closeIdle(): void {
    for (const [digest, file] of this.#files) {
      if (this.#files.size <= MAX_OPEN_FILES) return
      if (file.reads > 0) continue
      this.#files.delete(digest)
      this.#close(digest, file)
    }
  }

  #close(digest: Digest, { source }: OpenFile): void {
    // Whoever reads it has been told when it could not be opened.
    source
      .then((opened) => opened.close().catch((error: unknown) => this.#onError(error, digest)))
      .catch(() => undefined)
  }
}
