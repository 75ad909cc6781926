import { randomUUID } from 'node:crypto'
import type { ContentStore } from '@shoal/content'
import { type DigestAlgorithm, OciError } from '@shoal/oci'
import { Upload } from './upload.ts'

/** Uploads under way at a time. Each holds up to 2 MiB of memory while bytes come. */
export const UPLOADS_MAX = 256
/** An upload that no request used for so long is dropped. */
export const UPLOAD_IDLE_MS = 30 * 60_000
/** An upload that no request used for so long makes room for a new one when there are too many. */
export const UPLOAD_YIELD_MS = 60_000

/** What the uploads of a registry are made with. */
export interface UploadsInit {
  readonly store: Pick<ContentStore, 'ingest'>
  /** Milliseconds, of any clock. */
  readonly now: () => number
  /** Uploads under way at a time; one more takes the place of one that is idle, or is refused. @default 256 */
  readonly max?: number
  /** An upload that no request used for so long is dropped, milliseconds. @default 1800000 */
  readonly idleMs?: number
}

/**
 * The uploads that clients have begun and not finished. They do not outlive the process: the specification lets a
 * client begin again at any time.
 */
export class Uploads {
  readonly #init: UploadsInit
  readonly #uploads = new Map<string, Upload>()

  constructor(init: UploadsInit) {
    this.#init = init
  }

  get count(): number {
    return this.#uploads.size
  }

  /** @throws OciError `TOOMANYREQUESTS` when there are too many uploads that are not idle */
  async begin(repository: string, algorithm?: DigestAlgorithm): Promise<Upload> {
    const { max = UPLOADS_MAX, now, store } = this.#init
    if (this.#uploads.size >= max) await this.#longestIdle()?.abort()
    if (this.#uploads.size >= max) {
      throw new OciError('TOOMANYREQUESTS', `${max} uploads are under way: finish or cancel one, or try again later`)
    }
    const upload = new Upload({
      id: randomUUID(),
      repository,
      store,
      algorithm,
      now,
      onOver: ({ id }) => this.#uploads.delete(id)
    })
    this.#uploads.set(upload.id, upload)
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

  #longestIdle(): Upload | undefined {
    const idle = [...this.#uploads.values()].filter((upload) => upload.idle >= UPLOAD_YIELD_MS)
    return idle.reduce<Upload | undefined>((best, each) => (best && best.idle >= each.idle ? best : each), undefined)
  }

  /** Drop all of them. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#uploads.values()].map(async (upload) => await upload.abort()))
  }
}
