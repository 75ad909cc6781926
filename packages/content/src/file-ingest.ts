import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { rm } from 'node:fs/promises'
import type { Digest, DigestAlgorithm } from '@shoal/oci'
import { digestAlgorithm, digestFromBytes, OciError } from '@shoal/oci'
import { pipe } from 'it-pipe'
import type { AbortOptions } from './abort.ts'
import type { BlobInfo } from './blob-info.ts'
import type { BufferPool } from './buffer-pool.ts'
import type { ChunkHasher } from './chunk-hasher.ts'
import type { ChunkMap } from './chunk-map.ts'
import { IngestBusyError, StoreClosedError } from './errors.ts'
import type { Ingest } from './ingest.ts'
import { collected, untilAbortedStream, writeHashed } from './ingest-stream.ts'

/** What an ingest is made of. */
export interface FileIngestInit {
  readonly file: FileHandle
  readonly path: string
  /** The announced size, bytes. */
  readonly size: number | undefined
  readonly algorithm: DigestAlgorithm
  /** Where chunk maps are wanted. */
  readonly chunks: ChunkHasher | undefined
  readonly pool: BufferPool
  /** Make the file the whole blob. Where the blob is there already, the file is left where it is. */
  readonly commit: (file: FileHandle, path: string, info: BlobInfo, map: ChunkMap | undefined) => Promise<void>
  readonly onOver: (ingest: FileIngest) => void
}

/** An ingest into a file under `uploads/`. */
export class FileIngest implements Ingest {
  readonly #init: FileIngestInit
  readonly #hash: Hash
  readonly #stop = new AbortController()
  #received = 0
  #broken = false
  #current: Promise<unknown> | undefined
  #over: Promise<void> | undefined

  constructor(init: FileIngestInit) {
    this.#init = init
    this.#hash = createHash(init.algorithm)
  }

  get received(): number {
    return this.#received
  }

  get busy(): boolean {
    return this.#current !== undefined
  }

  async append(source: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<number> {
    return await this.#alone(async () => {
      const { chunks, file, path, pool } = this.#init
      const signals = options?.signal === undefined ? [this.#stop.signal] : [this.#stop.signal, options.signal]
      const buffers = [pool.take(), pool.take()] as const
      try {
        await pipe(
          untilAbortedStream(source, AbortSignal.any(signals)),
          (pieces) => this.#withinSize(pieces),
          (pieces) => collected(pieces, buffers),
          async (filled) =>
            await writeHashed(filled, {
              file,
              name: path,
              takers: chunks === undefined ? [this.#hash] : [this.#hash, chunks],
              position: this.#received,
              onTaken: (bytes) => {
                this.#received += bytes
              },
              onBroken: () => {
                this.#broken = true
              }
            })
        )
        return this.#received
      } finally {
        for (const buffer of buffers) pool.give(buffer)
        if (this.#broken) await this.#end()
      }
    })
  }

  async finish(expected: Digest, options?: AbortOptions): Promise<BlobInfo> {
    options?.signal?.throwIfAborted()
    return await this.#alone(async () => {
      try {
        const { chunks, commit, file, path, size } = this.#init
        if (size !== undefined && size !== this.#received) {
          throw new OciError('SIZE_INVALID', `${size} bytes were announced, but ${this.#received} came`)
        }
        const actual = await this.#digest(digestAlgorithm(expected))
        if (actual !== expected) {
          throw new OciError('DIGEST_INVALID', `the content has the digest ${actual}, not ${expected}`)
        }
        const info = { digest: expected, size: this.#received }
        await commit(file, path, info, chunks?.finish(expected))
        return info
      } finally {
        await this.#end()
      }
    })
  }

  async abort(): Promise<void> {
    this.#stop.abort(new StoreClosedError('the ingest'))
    await this.#current?.catch(() => undefined)
    await this.#end()
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

  async *#withinSize(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, void> {
    let left = (this.#init.size ?? Number.POSITIVE_INFINITY) - this.#received
    for await (const piece of source) {
      left -= piece.length
      if (left < 0) throw new OciError('SIZE_INVALID', `more than the announced ${this.#init.size} bytes came`)
      yield piece
    }
  }

  async #digest(algorithm: DigestAlgorithm): Promise<Digest> {
    if (algorithm === this.#init.algorithm) return digestFromBytes(algorithm, this.#hash.digest())
    const hash = createHash(algorithm)
    const buffer = this.#init.pool.take()
    try {
      for (let position = 0; position < this.#received; ) {
        const { bytesRead } = await this.#init.file.read(buffer, 0, buffer.length, position)
        if (bytesRead === 0) throw new Error(`${this.#init.path} is shorter than what was written to it`)
        hash.update(buffer.subarray(0, bytesRead))
        position += bytesRead
      }
      return digestFromBytes(algorithm, hash.digest())
    } finally {
      this.#init.pool.give(buffer)
    }
  }

  /** Nothing of the upload stays; what became a blob is no longer under this name. */
  async #end(): Promise<void> {
    this.#over ??= (async () => {
      try {
        await this.#init.file.close()
        await rm(this.#init.path, { force: true })
      } finally {
        this.#init.onOver(this)
      }
    })()
    await this.#over
  }
}
