import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import type { Digest, DigestAlgorithm } from '@shoal/oci'
import { digestAlgorithm, digestFromBytes, OciError } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import type { BlobInfo } from './blob-info.ts'
import type { BufferPool } from './buffer-pool.ts'
import { byteReader } from './byte-reader.ts'
import { ChunkHasher } from './chunk-hasher.ts'
import type { ChunkMap } from './chunk-map.ts'
import { EarlySync, type EarlySyncs } from './early-sync.ts'
import { IngestBusyError, StoreClosedError, StoreFullError } from './errors.ts'
import { readFully, removeFile, storeError } from './files.ts'
import type { FreeSpace } from './free-space.ts'
import type { FinishOptions, Ingest } from './ingest.ts'
import { type ByteTaker, filled, writeHashed } from './ingest-stream.ts'

/** What an ingest is made of. */
export interface FileIngestInit {
  readonly file: FileHandle
  readonly path: string
  /** Bytes that are in the file already. */
  readonly received: number
  /** Whether the file may stay when the ingest is closed before its end. */
  readonly named: boolean
  /** The announced size, bytes. */
  readonly size: number | undefined
  readonly algorithm: DigestAlgorithm
  readonly onReceived: ((received: number) => void) | undefined
  /** Whether chunk maps are wanted. */
  readonly chunked: boolean
  readonly pool: BufferPool
  readonly space: FreeSpace
  readonly syncs: EarlySyncs
  /** Make the file the whole blob, once `sync` made it durable. Where the blob is there already, the file is left. */
  readonly commit: (sync: () => Promise<void>, path: string, info: BlobInfo, map: ChunkMap | undefined) => Promise<void>
  readonly onOver: (ingest: FileIngest) => void
}

/** An ingest into a file under `uploads/`. */
export class FileIngest implements Ingest {
  readonly #init: FileIngestInit
  readonly #stop = new AbortController()
  readonly #early: EarlySync
  #hash: Hash
  #chunks: ChunkHasher | undefined
  #received: number
  /** Whether the hashes have had just the bytes that are in the file. */
  #inStep: boolean
  #current: Promise<unknown> | undefined
  #over: Promise<void> | undefined

  constructor(init: FileIngestInit) {
    this.#init = init
    this.#early = new EarlySync(init.file, init.syncs)
    this.#received = init.received
    this.#inStep = init.received === 0
    this.#hash = createHash(init.algorithm)
    this.#chunks = init.chunked ? new ChunkHasher(init.size) : undefined
  }

  get path(): string {
    return this.#init.path
  }

  get received(): number {
    return this.#received
  }

  get busy(): boolean {
    return this.#current !== undefined
  }

  async append(source: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<number> {
    return await this.#alone(async () => {
      const { pool } = this.#init
      await this.#catchUp()
      const signals = options?.signal === undefined ? [this.#stop.signal] : [this.#stop.signal, options.signal]
      const signal = AbortSignal.any(signals)
      const reader = byteReader(source)
      const close = (): void => reader.close(signal.reason)
      signal.addEventListener('abort', close, { once: true })
      const buffers = [pool.take(), pool.take()] as const
      try {
        if (signal.aborted) close()
        await this.#take(this.#withinSpace(filled(reader, buffers, this.#room)))
        return this.#received
      } finally {
        signal.removeEventListener('abort', close)
        // It must not write to the buffers of the next one.
        reader.close()
        for (const buffer of buffers) pool.give(buffer)
      }
    })
  }

  async rewind(length: number): Promise<void> {
    await this.#alone(async () => {
      if (length >= this.#received) return
      this.#received = length
      this.#inStep = false
    })
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    if (this.#over !== undefined || this.#stop.signal.aborted) throw new StoreClosedError('the ingest')
    const length = Math.max(0, Math.min(target.length, this.#received - position))
    return length === 0 ? 0 : await readFully(this.#init.file, target.subarray(0, length), position)
  }

  async finish(expected: Digest, options?: FinishOptions): Promise<BlobInfo> {
    options?.signal?.throwIfAborted()
    return await this.#alone(async () => {
      let isOver = true
      try {
        return await this.#finish(expected, options?.onProven)
      } catch (error) {
        // Who closes it meanwhile says what becomes of the file.
        isOver = !(error instanceof StoreFullError || error instanceof StoreClosedError)
        throw error
      } finally {
        if (isOver) await this.#end(true)
      }
    })
  }

  async abort(): Promise<void> {
    await this.#close(true)
  }

  async suspend(): Promise<void> {
    await this.#close(!this.#init.named)
  }

  async #finish(expected: Digest, onProven: (() => void) | undefined): Promise<BlobInfo> {
    const { commit, path, size } = this.#init
    if (size !== undefined && size !== this.#received) {
      throw new OciError('SIZE_INVALID', `${size} bytes were announced, but ${this.#received} came`)
    }
    await this.#catchUp()
    // The hashes end here. If the rest fails, they are made again for the next time.
    this.#inStep = false
    const actual = await this.#digest(digestAlgorithm(expected))
    if (actual !== expected) {
      throw new OciError('DIGEST_INVALID', `the content has the digest ${actual}, not ${expected}`)
    }
    onProven?.()
    const info = { digest: expected, size: this.#received }
    await commit(async () => await this.#sync(), path, info, this.#chunks?.finish(expected))
    return info
  }

  /** What a failed sync was to keep may be gone from memory too, so that it has to come again. */
  async #sync(): Promise<void> {
    try {
      await this.#early.finish()
    } catch (error) {
      this.#received = 0
      this.#inStep = false
      this.#early.reset()
      throw storeError(error, this.#init.path)
    }
  }

  get #takers(): readonly ByteTaker[] {
    return this.#chunks === undefined ? [this.#hash] : [this.#hash, this.#chunks]
  }

  /** A hash can be neither saved nor rewound: after a restart or a failed write, the file is read back. */
  async #catchUp(): Promise<void> {
    if (this.#inStep) return
    const { algorithm, chunked, file, size } = this.#init
    this.#hash = createHash(algorithm)
    this.#chunks = chunked ? new ChunkHasher(size) : undefined
    // A write that failed may have left some bytes behind the last good one, and dropped ones are there still.
    await file.truncate(this.#received)
    await this.#readBack((bytes) => {
      for (const taker of this.#takers) taker.update(bytes)
    })
    this.#inStep = true
  }

  /** One call at a time. */
  async #alone<T>(work: () => Promise<T>): Promise<T> {
    if (this.#current !== undefined) throw new IngestBusyError()
    if (this.#over !== undefined || this.#stop.signal.aborted) throw new StoreClosedError('the ingest')
    const current = work()
    this.#current = current
    try {
      return await current
    } finally {
      this.#current = undefined
    }
  }

  async *#withinSpace(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    for await (const piece of source) {
      await this.#init.space.claim(piece.length)
      yield piece
    }
  }

  /** Bytes that may still come. */
  get #room(): number {
    return (this.#init.size ?? Number.POSITIVE_INFINITY) - this.#received
  }

  async #take(buffers: AsyncIterable<Uint8Array>): Promise<void> {
    const { file, path } = this.#init
    await writeHashed(buffers, {
      file,
      name: path,
      takers: this.#takers,
      position: this.#received,
      onWritten: (bytes) => {
        this.#received += bytes
        this.#early.grown(bytes)
        this.#init.onReceived?.(this.#received)
      },
      onBroken: () => {
        this.#inStep = false
      }
    })
  }

  async #digest(algorithm: DigestAlgorithm): Promise<Digest> {
    if (algorithm === this.#init.algorithm) return digestFromBytes(algorithm, this.#hash.digest())
    const hash = createHash(algorithm)
    await this.#readBack((bytes) => hash.update(bytes))
    return digestFromBytes(algorithm, hash.digest())
  }

  async #readBack(use: (bytes: Uint8Array) => void): Promise<void> {
    const { file, path, pool } = this.#init
    const buffer = pool.take()
    try {
      for (let position = 0; position < this.#received; ) {
        this.#stop.signal.throwIfAborted()
        const length = Math.min(buffer.length, this.#received - position)
        const { bytesRead } = await file.read(buffer, 0, length, position)
        if (bytesRead === 0) throw new Error(`${path} is shorter than what was written to it`)
        use(buffer.subarray(0, bytesRead))
        position += bytesRead
      }
    } finally {
      pool.give(buffer)
    }
  }

  async #close(remove: boolean): Promise<void> {
    this.#stop.abort(new StoreClosedError('the ingest'))
    await this.#current?.catch(() => undefined)
    await this.#end(remove)
  }

  /** With `remove` nothing of the upload stays; what became a blob is no longer under this name. */
  async #end(remove: boolean): Promise<void> {
    this.#over ??= (async () => {
      try {
        await this.#early.idle()
        await this.#init.file.close()
        if (remove) await removeFile(this.#init.path)
      } finally {
        this.#init.onOver(this)
      }
    })()
    await this.#over
  }
}
