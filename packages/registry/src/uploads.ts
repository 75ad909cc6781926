import { randomUUID } from 'node:crypto'
import type { PendingIngest } from '@shoal/content'
import { type DigestAlgorithm, OciError } from '@shoal/oci'
import type { BlobStore } from './blob-store.ts'
import type { UploadRecords } from './metadata.ts'
import { Upload, type UploadInit } from './upload.ts'

/** Uploads under way at a time. An idle one costs a file; those over which bytes come share bounded buffers. */
export const UPLOADS_MAX = 1024
/** An upload that no request used for so long is dropped: a day, so that a full disk or a lost night is no matter. */
export const UPLOAD_IDLE_MS = 24 * 60 * 60_000
/** An upload that no request used for so long makes room for a new one when there are too many. */
export const UPLOAD_YIELD_MS = 10 * 60_000

/** What the uploads of a registry are made with. */
export interface UploadsInit {
  readonly store: Pick<BlobStore, 'ingest' | 'pendingIngests'>
  /** Where they are remembered. */
  readonly records: UploadRecords
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told when the record of an upload that is over could not be removed. */
  readonly onError: (error: unknown) => void
  /** Uploads under way at a time; one more takes the place of one that is idle, or is refused. @default 1024 */
  readonly max?: number
  /** An upload that no request used for so long is dropped, milliseconds. @default 86400000 */
  readonly idleMs?: number
  /** Whether bytes under this name are somebody else's, who looks after them. @default never */
  readonly isForeign?: (id: string) => boolean
}

/** How an upload is begun. */
export interface BeginOptions {
  /** Of the digest that will be given in the end. */
  readonly algorithm?: DigestAlgorithm | undefined
  /** Whether it can be gone on with: it outlives the process then. @default true */
  readonly durable?: boolean
}

/**
 * The uploads that clients have begun and not finished. They outlive the process: what they are is in the metadata, their
 * bytes are in the blob store under the same name.
 */
export class Uploads {
  readonly #init: UploadsInit
  readonly #uploads = new Map<string, Upload>()
  /** Records that are being removed. */
  readonly #removing = new Set<Promise<void>>()

  constructor(init: UploadsInit) {
    this.#init = init
  }

  get count(): number {
    return this.#uploads.size
  }

  /** Find the uploads that were begun before this process, and drop bytes that belong to none. To be called first. */
  async restore(): Promise<void> {
    const { records, store } = this.#init
    const pending = new Map((await store.pendingIngests()).map((ingest) => [ingest.id, ingest]))
    for await (const { algorithm, begunAt, id, repository } of records.all()) {
      const { received, usedAt }: Omit<PendingIngest, 'id'> = pending.get(id) ?? { received: 0, usedAt: begunAt }
      pending.delete(id)
      this.#add({ id, repository, algorithm, durable: true, received, usedAt })
    }
    for (const id of pending.keys()) {
      if (this.#init.isForeign?.(id) !== true) await (await store.ingest({ id })).abort()
    }
  }

  /** @throws OciError `TOOMANYREQUESTS` when there are too many uploads that are not idle, StoreFullError */
  async begin(repository: string, { algorithm, durable = true }: BeginOptions = {}): Promise<Upload> {
    const { max = UPLOADS_MAX, now, records } = this.#init
    if (this.#uploads.size >= max) await this.#longestIdle()?.abort()
    if (this.#uploads.size >= max) {
      throw new OciError('TOOMANYREQUESTS', `${max} uploads are under way: finish or cancel one, or try again later`)
    }
    const id = randomUUID()
    const upload = this.#add({ id, repository, algorithm, durable })
    try {
      if (durable) {
        await records.put({ id, repository, begunAt: now(), ...(algorithm === undefined ? {} : { algorithm }) })
      }
    } catch (error) {
      await upload.abort()
      throw error
    }
    return upload
  }

  /** @throws OciError `BLOB_UPLOAD_UNKNOWN` when the repository has no such upload */
  find(repository: string, id: string): Upload {
    const upload = this.#uploads.get(id)
    if (upload?.repository === repository) return upload
    throw new OciError('BLOB_UPLOAD_UNKNOWN', 'no such upload: it is over, was idle for too long, or never began')
  }

  /** Drop what was idle for too long. To be called now and then. */
  async expire(): Promise<void> {
    const { idleMs = UPLOAD_IDLE_MS } = this.#init
    const idle = [...this.#uploads.values()].filter((upload) => upload.idle >= idleMs)
    await Promise.all(idle.map(async (upload) => await upload.abort()))
  }

  /** Stop all, and keep them for the next process. */
  async close(): Promise<void> {
    await Promise.all([...this.#uploads.values()].map(async (upload) => await upload.suspend()))
    this.#uploads.clear()
    await Promise.all(this.#removing)
  }

  #add(init: Omit<UploadInit, 'store' | 'now' | 'onOver'>): Upload {
    const { now, store } = this.#init
    const upload = new Upload({ ...init, store, now, onOver: () => this.#forget(init.id, init.durable) })
    this.#uploads.set(init.id, upload)
    return upload
  }

  #forget(id: string, durable: boolean): void {
    this.#uploads.delete(id)
    if (!durable) return
    // Nobody waits for it: at worst an upload without bytes is found at the next start, and expires.
    const removing = this.#init.records.delete(id).catch(this.#init.onError)
    this.#removing.add(removing)
    void removing.finally(() => this.#removing.delete(removing))
  }

  #longestIdle(): Upload | undefined {
    const idle = [...this.#uploads.values()].filter((upload) => upload.idle >= UPLOAD_YIELD_MS)
    return idle.reduce<Upload | undefined>((best, each) => (best && best.idle >= each.idle ? best : each), undefined)
  }
}
