import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { type ArrivingBlob, type BlobSource, HELD_BACK_BYTES } from '@shoal/content'
import { type Digest, digestFromBytes } from '@shoal/oci'
import type { Clock, Logger } from '@shoal/swarm'
import type { BlobStore } from '../blob-store.ts'
import type { Leases } from '../leases.ts'

/** A part is not made smaller than this while more comes soon: it is one chunk then. Bytes. */
export const PART_MIN_BYTES = 4 * 1024 * 1024
/** Longest part, bytes. */
export const PART_MAX_BYTES = 16 * 1024 * 1024
/** From a blob that comes slowly, parts are made at least this often of what there is. */
export const PART_PATIENCE_MS = 1_000
/** From a blob that comes fast, parts are not made more often than this. */
export const PART_INTERVAL_MS = 150
/** For how long parts stay after the blob is whole or has failed. */
export const PARTS_KEPT_MS = 60_000
/**
 * Who asks for a blob so soon after the last part was made still gets it in parts: those who began before have it in parts, and
 * the whole would leave the registry once more. Shorter than agents keep parts.
 */
export const LATE_SHARING_MS = 10_000
const LOOK_MS = 25
const READ_BYTES = 256 * 1024

/** A run of bytes of a blob that arrives, as a blob of its own. */
export interface Part {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}

/** What parts are made with. */
export interface SharingsInit {
  readonly store: Pick<BlobStore, 'delete' | 'ingest'>
  readonly leases: Pick<Leases, 'holding'>
  readonly clock: Clock
  readonly logger: Logger
}

/** The blobs that are shared in parts while they arrive, each once. */
export class Sharings {
  readonly #init: SharingsInit
  readonly #byBlob = new Map<ArrivingBlob, SharedParts>()
  readonly #byId = new Map<string, SharedParts>()
  /** Sharings that go on, or whose parts were all made not long ago. */
  readonly #joinable = new Map<Digest, SharedParts>()
  readonly #stop = new AbortController()

  constructor(init: SharingsInit) {
    this.#init = init
  }

  /**
   * Share a blob from its beginning on, or join those who do.
   *
   * @param asker who wants it: as long as one alone does, no parts are made. Undefined for one who does not say
   */
  share(blob: ArrivingBlob, asker: string | undefined): SharedParts {
    const sharing = this.#byBlob.get(blob) ?? this.#begin(blob)
    sharing.join(asker)
    return sharing
  }

  #begin(blob: ArrivingBlob): SharedParts {
    const sharing = new SharedParts(this.#init, blob, this.#stop.signal)
    this.#byBlob.set(blob, sharing)
    this.#byId.set(sharing.id, sharing)
    this.#joinable.set(sharing.digest, sharing)
    const { clock, logger } = this.#init
    void sharing.done.then(() => {
      clock.after(sharing.isWhole ? LATE_SHARING_MS : 0, () => {
        if (this.#joinable.get(sharing.digest) === sharing) this.#joinable.delete(sharing.digest)
      })
      clock.after(PARTS_KEPT_MS, () => {
        this.#byBlob.delete(blob)
        this.#byId.delete(sharing.id)
        sharing
          .drop()
          .catch((error: unknown) => logger.debug({ err: error, digest: blob.digest }, 'parts were not dropped'))
      })
    })
    return sharing
  }

  /** How a blob that is whole by now is, or was a moment ago, shared: see {@link LATE_SHARING_MS}. */
  late(digest: Digest): SharedParts | undefined {
    return this.#joinable.get(digest)
  }

  find(id: string): SharedParts | undefined {
    return this.#byId.get(id)
  }

  /** End all. Garbage collection removes the parts. */
  close(): void {
    this.#stop.abort(new Error('the registry is stopping'))
  }
}

/**
 * One blob in parts, which peers fetch from here and from each other while the blob arrives. Parts cost writing, and time:
 * who is alone reads the blob over HTTP, and there are none before a second one asks. The last bytes, which the
 * blob holds back until its digest was right, are in none: they are few, and whoever has all parts reads them over HTTP.
 */
export class SharedParts {
  readonly id = randomUUID()
  /** Resolves when all parts are made, or no more will be. */
  readonly done: Promise<void>
  readonly #init: SharingsInit
  readonly #blob: ArrivingBlob
  readonly #signal: AbortSignal
  readonly #parts: Part[] = []
  readonly #company = Promise.withResolvers<void>()
  #first: string | undefined
  #isAlone = true
  #isWhole = false
  #more = Promise.withResolvers<void>()
  #isOver = false

  constructor(init: SharingsInit, blob: ArrivingBlob, signal: AbortSignal) {
    this.#init = init
    this.#blob = blob
    this.#signal = signal
    this.done = this.#run()
  }

  get digest(): Digest {
    return this.#blob.digest
  }

  get size(): number {
    return this.#blob.size
  }

  /** Whether one alone wants it, so that no parts are made yet. */
  get alone(): boolean {
    return this.#isAlone
  }

  /** Whether all of the blob but what it holds back is in parts. */
  get isWhole(): boolean {
    return this.#isWhole
  }

  /** How much of it is in parts in the end, bytes. */
  get #sharedBytes(): number {
    return Math.max(0, this.#blob.size - HELD_BACK_BYTES)
  }

  /** One more wants it, or the same one again. */
  join(asker: string | undefined): void {
    this.#first ??= asker
    if (!this.#isAlone || (asker !== undefined && asker === this.#first)) return
    this.#isAlone = false
    this.#company.resolve()
    this.#tell()
  }

  /** Those from number `after` on; waits a while if there are none yet, and not when a second one comes. */
  async from(after: number, waitMs: number): Promise<{ parts: readonly Part[]; over: boolean; alone: boolean }> {
    if (this.#parts.length <= after && !this.#isOver) {
      const timer = new AbortController()
      const late = sleep(waitMs, undefined, { signal: timer.signal }).catch(() => undefined)
      await Promise.race([this.#more.promise, late])
      timer.abort()
    }
    return { parts: this.#parts.slice(after), over: this.#isOver, alone: this.#isAlone }
  }

  /** Remove the parts from the store. */
  async drop(): Promise<void> {
    for (const { digest } of this.#parts) if (digest !== this.#blob.digest) await this.#init.store.delete(digest)
  }

  /** Never throws: who lacks a part reads the blob. */
  async #run(): Promise<void> {
    const source = this.#blob.source()
    try {
      await Promise.race([this.#company.promise, this.#blob.ended])
      for (let at = 0; !this.#isAlone && at < this.#sharedBytes; ) {
        const length = await this.#ripe(source, at)
        const part = await this.#make(source, at, length)
        this.#parts.push(part)
        at += length
        this.#tell()
        // What came before there was company is not waited for.
        if (this.#blob.readable - at < PART_MAX_BYTES && at < this.#sharedBytes && !this.#blob.whole) {
          await sleep(PART_INTERVAL_MS, undefined, { signal: this.#signal })
        }
      }
      this.#isWhole = this.#parts.length > 0
    } catch (error) {
      this.#init.logger.debug({ err: error, digest: this.digest }, 'a blob is not shared in parts any more')
    } finally {
      this.#isOver = true
      this.#tell()
      await source.close()
    }
  }

  /** Waits until there is enough for a part. @returns its length */
  async #ripe(source: BlobSource, at: number): Promise<number> {
    const { clock } = this.#init
    const since = clock.now()
    for (;;) {
      const length = await source.available(at, { signal: this.#signal })
      const rest = this.#sharedBytes - at
      const isEnough = length >= Math.min(PART_MIN_BYTES, rest) || clock.now() - since >= PART_PATIENCE_MS
      if (isEnough) return Math.min(length, rest, PART_MAX_BYTES)
      await sleep(LOOK_MS, undefined, { signal: this.#signal })
    }
  }

  async #make(source: BlobSource, at: number, size: number): Promise<Part> {
    const { leases, store } = this.#init
    const hash = createHash('sha256')
    const ingest = await store.ingest({ size })
    try {
      await ingest.append(
        (async function* () {
          const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, size))
          for (let done = 0; done < size; ) {
            const read = await source.read(buffer.subarray(0, Math.min(buffer.length, size - done)), at + done)
            const bytes = buffer.subarray(0, read)
            hash.update(bytes)
            done += read
            yield bytes
          }
        })(),
        { signal: this.#signal }
      )
      const digest = digestFromBytes('sha256', hash.digest())
      // Nothing refers to it: only that it was just used keeps it.
      await leases.holding([digest], async () => await ingest.finish(digest))
      return { digest, size }
    } finally {
      await ingest.abort()
    }
  }

  #tell(): void {
    this.#more.resolve()
    if (!this.#isOver) this.#more = Promise.withResolvers<void>()
  }
}
