import type { FileHandle } from 'node:fs/promises'

/** A file that grows is sent to the disk in steps of this size, bytes. */
export const EARLY_SYNC_BYTES = 4 * 1024 * 1024
/** Files that are synced early at a time: most of the thread pool stays for writing. */
export const EARLY_SYNCS_MAX = 4

/** Counts the early syncs under way in one store. */
export class EarlySyncs {
  #running = 0

  /** Run `work` unless too many run already; undefined then. */
  unlessBusy(work: () => Promise<void>): Promise<void> | undefined {
    if (this.#running >= EARLY_SYNCS_MAX) return undefined
    this.#running++
    return work().finally(() => {
      this.#running--
    })
  }
}

/**
 * Sends a file to the disk while it grows, so that the disk does not rest while bytes come and the last sync, which
 * somebody waits for, has little left to do.
 */
export class EarlySync {
  readonly #file: Pick<FileHandle, 'datasync' | 'sync'>
  readonly #syncs: EarlySyncs
  #bytes = 0
  #running: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined

  constructor(file: Pick<FileHandle, 'datasync' | 'sync'>, syncs: EarlySyncs) {
    this.#file = file
    this.#syncs = syncs
  }

  /** Say that so many bytes more are in the file. */
  grown(bytes: number): void {
    this.#bytes += bytes
    if (this.#bytes < EARLY_SYNC_BYTES || this.#running !== undefined) return
    this.#running = this.#syncs.unlessBusy(async () => await this.#early())
  }

  /**
   * Make all of the file durable.
   *
   * @throws what this sync or an early one failed with. The system says it once, and may have dropped what it could not
   * write: a sync after that would seem to succeed. Nothing in the file can be relied on then.
   */
  async finish(): Promise<void> {
    await this.idle()
    if (this.#failure !== undefined) throw this.#failure.error
    await this.#file.sync()
  }

  /** Wait for the sync under way, whatever comes of it. */
  async idle(): Promise<void> {
    await this.#running
  }

  /** Say that the file is empty again, so that what failed does not matter any more. */
  reset(): void {
    this.#bytes = 0
    this.#failure = undefined
  }

  async #early(): Promise<void> {
    this.#bytes = 0
    try {
      await this.#file.datasync()
    } catch (error) {
      this.#failure ??= { error }
    } finally {
      this.#running = undefined
    }
  }
}
