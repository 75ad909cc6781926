import { type BlobInfo, type Ingest, StoreClosedError, StoreFullError } from '@shoal/content'
import { type Digest, type DigestAlgorithm, OciError } from '@shoal/oci'
import type { BlobStore } from './blob-store.ts'

/** What an upload needs of its surroundings. */
export interface UploadInit {
  readonly id: string
  readonly repository: string
  readonly store: Pick<BlobStore, 'ingest'>
  /** The algorithm of the digest that will be given in the end, as far as known. */
  readonly algorithm: DigestAlgorithm | undefined
  /** Whether it outlives the process. */
  readonly durable: boolean
  /** Bytes that came before, in another process. @default 0 */
  readonly received?: number
  /** When it was last used, before this process. @default now() */
  readonly usedAt?: number
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Called once, when the upload takes nothing more. */
  readonly onOver: (upload: Upload) => void
}

/** The part of an upload that one request may use, while it is that request's turn. */
export interface UploadTurn {
  /** Bytes taken in so far. */
  readonly received: number
  /**
   * Go back to where a client was told that this stands while another request still sent, and that request came to no good
   * end: what was written after that is dropped, which nobody was told of. Any other place changes nothing.
   */
  resume(start: number): Promise<void>
  /**
   * Take in all of `body`. What came before it broke is kept.
   *
   * @param blobSize the size of the whole blob in bytes, where the request tells it
   */
  append(body: AsyncIterable<Uint8Array>, blobSize?: number): Promise<void>
  /**
   * Make the blob durable under its digest and do what belongs to that. The upload is over afterwards, also when this
   * fails; only on a full disk it stays, and this can be repeated.
   *
   * @param around calls `make`, which makes the blob, and what has to be done before and after it
   */
  finish(digest: Digest, around: (make: () => Promise<BlobInfo>) => Promise<void>): Promise<void>
}

/**
 * A blob on its way in over several requests (OCI distribution, "Pushing a blob in chunks"). Nothing is opened before
 * the first bytes come, so that an upload that waits costs no file.
 *
 * One request has its turn at a time. A newer one takes over: the client whose connection broke comes back before
 * the broken connection is noticed here.
 */
export class Upload {
  readonly id: string
  readonly repository: string
  readonly #init: UploadInit
  #ingest: Ingest | undefined
  /** The blob that this became, while it is not linked. */
  #made: BlobInfo | undefined
  /** Ends the request that has its turn. */
  #takeOver = new AbortController()
  #last: Promise<unknown> = Promise.resolve()
  #waiting = 0
  /** What was told last while a request was sending. */
  #told: number | undefined
  #over = false
  #usedAt: number

  constructor(init: UploadInit) {
    this.#init = init
    this.id = init.id
    this.repository = init.repository
    this.#usedAt = init.usedAt ?? init.now()
  }

  /** Bytes taken in so far. */
  get received(): number {
    return this.#ingest?.received ?? this.#init.received ?? 0
  }

  /** Bytes taken in so far, for a client that will go on there. */
  tell(): number {
    if (this.#waiting > 0) this.#told = this.received
    return this.received
  }

  /** Milliseconds since a request last used this; 0 while one does. */
  get idle(): number {
    return this.#waiting > 0 ? 0 : this.#init.now() - this.#usedAt
  }

  /**
   * Wait for this request's turn and use it. A request that still sends loses its own.
   *
   * @throws OciError `BLOB_UPLOAD_UNKNOWN` when the upload is over, and what `use` throws
   */
  async turn<T>(use: (turn: UploadTurn) => Promise<T>): Promise<T> {
    this.#takeOver.abort(
      new OciError('BLOB_UPLOAD_INVALID', 'a newer request goes on with this upload', { status: 409 })
    )
    const takeOver = new AbortController()
    this.#takeOver = takeOver
    const before = this.#last
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#last = promise
    this.#waiting++
    try {
      await before
      this.#assertOpen()
      const result = await use(this.#turnOf(takeOver.signal))
      // All that came was acknowledged.
      this.#told = undefined
      return result
    } finally {
      this.#waiting--
      this.#usedAt = this.#init.now()
      resolve()
    }
  }

  /** End this upload by the request that has its turn: what was taken in is dropped once that request is over. */
  drop(): void {
    this.#end()
    void Promise.allSettled([this.#last.then(async () => await this.abort())])
  }

  /** Drop what was taken in. May be called at any time and more than once. */
  async abort(): Promise<void> {
    this.#end()
    this.#takeOver.abort(new OciError('BLOB_UPLOAD_UNKNOWN', 'this upload was cancelled'))
    await this.#ingest?.abort()
  }

  /** End the request that has its turn, and keep what came for the next process. */
  async suspend(): Promise<void> {
    if (!this.#init.durable) return await this.abort()
    this.#takeOver.abort(new StoreClosedError('the upload'))
    await this.#ingest?.suspend()
  }

  #turnOf(signal: AbortSignal): UploadTurn {
    const received = (): number => this.received
    return {
      get received() {
        return received()
      },
      resume: async (start) => {
        if (start === this.#told && start < this.received) await this.#ingest?.rewind(start)
        this.#told = undefined
      },
      append: async (body, blobSize) => {
        signal.throwIfAborted()
        const ingest = await this.#opened(blobSize)
        await ingest.append(body, { signal })
      },
      finish: async (digest, around) => {
        signal.throwIfAborted()
        const ingest = await this.#opened(0)
        let isOver = true
        try {
          await around(async () => {
            this.#made = this.#made?.digest === digest ? this.#made : await ingest.finish(digest)
            return this.#made
          })
        } catch (error) {
          isOver = !(error instanceof StoreFullError || error instanceof StoreClosedError)
          throw error
        } finally {
          if (isOver) {
            this.#end()
            // Nothing is left of it, whatever it failed for.
            await ingest.abort()
          }
        }
      }
    }
  }

  async #opened(size: number | undefined): Promise<Ingest> {
    if (this.#ingest !== undefined) return this.#ingest
    const { algorithm, durable, id, received = 0, store } = this.#init
    const ingest = await store.ingest({
      ...(durable ? { id } : {}),
      // Of what came before, the size of the whole is not known.
      ...(received > 0 || size === undefined ? {} : { size }),
      ...(algorithm === undefined ? {} : { algorithm })
    })
    this.#ingest = ingest
    if (this.#over) {
      await ingest.abort()
      this.#assertOpen()
    }
    return ingest
  }

  #assertOpen(): void {
    if (!this.#over) return
    throw new OciError('BLOB_UPLOAD_UNKNOWN', `the upload ${this.id} is over: start a new one`)
  }

  #end(): void {
    if (this.#over) return
    this.#over = true
    this.#init.onOver(this)
  }
}
