import { type Digest, digestAlgorithm } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import { untilAborted } from './abort.ts'
import type { BlobInfo } from './blob-info.ts'
import type { BlobSource } from './blob-source.ts'
import { StoreClosedError } from './errors.ts'
import { checkPosition } from './file-source.ts'
import type { Ingest, IngestOptions } from './ingest.ts'

/**
 * The last bytes of a blob, which nobody gets before its digest was found to be right: whoever lacks them knows that he
 * does not have the blob.
 */
export const HELD_BACK_BYTES = 16 * 1024

/** What a blob that arrives is made of. */
export interface ArrivingBlobInit {
  readonly store: {
    ingest(options?: IngestOptions): Promise<Ingest>
    open(digest: Digest): Promise<BlobSource | undefined>
  }
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
  /** See {@link IngestOptions}: what came under this name before is there already. */
  readonly id?: string
}

/**
 * A blob that comes in order from one place and is read by any number of others while it does. Its digest is known, and
 * proves it in the end: until then readers get all but its last bytes.
 */
export class ArrivingBlob {
  readonly digest: Digest
  readonly size: number
  /** Resolves when it is whole, or does not come. */
  readonly ended: Promise<void>
  readonly #open: ArrivingBlobInit['store']['open']
  readonly #ingest: Ingest
  readonly #sources = new Set<ArrivingSource>()
  readonly #end = Promise.withResolvers<void>()
  #finishing: Promise<BlobInfo> | undefined
  #isProven = false
  #isWhole = false
  #failure: Error | undefined

  private constructor({ digest, size, store }: ArrivingBlobInit, ingest: Ingest) {
    this.digest = digest
    this.size = size
    this.#open = async (of) => await store.open(of)
    this.#ingest = ingest
    this.ended = this.#end.promise
  }

  /** @throws IngestBusyError when one of the same `id` arrives already, StoreFullError, StoreClosedError */
  static async begin(init: ArrivingBlobInit): Promise<ArrivingBlob> {
    const { digest, id, size, store } = init
    let blob: ArrivingBlob | undefined
    const options = {
      size,
      algorithm: digestAlgorithm(digest),
      onReceived: () => {
        if (blob !== undefined) blob.#moved()
      },
      ...(id === undefined ? {} : { id })
    }
    let ingest = await store.ingest(options)
    if (ingest.received > size) {
      // What is left there is of something else.
      await ingest.abort()
      ingest = await store.ingest(options)
    }
    blob = new ArrivingBlob(init, ingest)
    return blob
  }

  /** Bytes that came. */
  get received(): number {
    return this.#ingest.received
  }

  /** Whether the digest was right, and the blob is durable. */
  get whole(): boolean {
    return this.#isWhole
  }

  /** Why it does not come; undefined while it may. */
  get failure(): Error | undefined {
    return this.#failure
  }

  /** Bytes that readers may have. */
  get readable(): number {
    return this.#isProven ? this.size : Math.max(0, Math.min(this.received, this.size - HELD_BACK_BYTES))
  }

  /** See {@link Ingest.append}. */
  async append(source: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<number> {
    return await this.#ingest.append(source, options)
  }

  /** Read what came so far, its last bytes included: for whoever takes it for what it is. See {@link Ingest.read}. */
  async readUnproven(target: Uint8Array, position: number): Promise<number> {
    return await this.#ingest.read(target, position)
  }

  /**
   * All bytes are here: make it whole. Readers get the rest as soon as the digest was right, before the blob is durable.
   * When the bytes are wrong nothing stays, and the readers are told.
   *
   * @throws what {@link Ingest.finish} throws
   */
  async finish(): Promise<BlobInfo> {
    const onProven = (): void => {
      this.#isProven = true
      this.#moved()
    }
    this.#finishing ??= this.#ingest.finish(this.digest, { onProven })
    try {
      const info = await this.#finishing
      this.#isProven = true
      this.#isWhole = true
      this.#end.resolve()
      this.#moved()
      return info
    } finally {
      this.#finishing = undefined
    }
  }

  /** It does not come. Readers that lack something are told; with an `id`, what came stays for another time unless it is to go. */
  async fail(error: Error, options: { readonly drop?: boolean } = {}): Promise<void> {
    if (this.#isWhole || this.#failure !== undefined) return
    this.#failure = error
    this.#end.resolve()
    this.#moved()
    if (options.drop === true) await this.#ingest.abort()
    else await this.#ingest.suspend()
  }

  /** Read it from any place on, as it arrives. To be closed. */
  source(): BlobSource {
    const source = new ArrivingSource({
      blob: this,
      read: async (target, position) => await this.#readAt(target, position),
      open: this.#open,
      onClosed: () => this.#sources.delete(source)
    })
    this.#sources.add(source)
    return source
  }

  /** @returns undefined when the file has become the whole blob, which is to be read then */
  async #readAt(target: Uint8Array, position: number): Promise<number | undefined> {
    if (this.#isWhole) return undefined
    if (this.#failure !== undefined) throw this.#failure
    try {
      return await this.#ingest.read(target, position)
    } catch (error) {
      // The file may have changed its place meanwhile.
      await this.#finishing?.catch(() => undefined)
      if (this.#isWhole) return undefined
      throw this.#failure ?? error
    }
  }

  #moved(): void {
    for (const source of [...this.#sources]) source.moved()
  }
}

interface ArrivingSourceInit {
  readonly blob: Pick<ArrivingBlob, 'digest' | 'size' | 'readable' | 'failure'>
  readonly read: (target: Uint8Array, position: number) => Promise<number | undefined>
  readonly open: ArrivingBlobInit['store']['open']
  readonly onClosed: () => void
}

class ArrivingSource implements BlobSource {
  readonly digest
  readonly size
  readonly #init: ArrivingSourceInit
  #waiting: PromiseWithResolvers<void> | undefined
  #whole: Promise<BlobSource | undefined> | undefined
  #isClosed = false

  constructor(init: ArrivingSourceInit) {
    this.digest = init.blob.digest
    this.size = init.blob.size
    this.#init = init
  }

  async available(position: number, options?: AbortOptions): Promise<number> {
    const { blob } = this.#init
    for (;;) {
      this.#check(position)
      const length = blob.readable - position
      if (length > 0 || position === this.size) return Math.max(0, length)
      if (blob.failure !== undefined) throw blob.failure
      options?.signal?.throwIfAborted()
      this.#waiting ??= Promise.withResolvers<void>()
      await untilAborted(this.#waiting.promise, options?.signal)
    }
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#check(position)
    const { blob, open, read } = this.#init
    const length = Math.min(blob.readable - position, target.length)
    if (length <= 0 && target.length > 0 && position < this.size) {
      throw blob.failure ?? new RangeError(`byte ${position} of ${this.digest} is not available yet`)
    }
    if (length <= 0) return 0
    const wanted = target.subarray(0, length)
    const done = this.#whole === undefined ? await read(wanted, position) : undefined
    if (done !== undefined) return done
    this.#whole ??= open(this.digest)
    const whole = await this.#whole
    if (whole === undefined) throw new StoreClosedError(`the blob ${this.digest}`)
    return await whole.read(wanted, position)
  }

  async close(): Promise<void> {
    if (this.#isClosed) return
    this.#isClosed = true
    this.moved()
    this.#init.onClosed()
    const whole = await this.#whole
    await whole?.close()
  }

  /** There may be more to read, or no more to come. */
  moved(): void {
    this.#waiting?.resolve()
    this.#waiting = undefined
  }

  #check(position: number): void {
    if (this.#isClosed) throw new StoreClosedError(`the source of ${this.digest}`)
    checkPosition(position, this.size)
  }
}
