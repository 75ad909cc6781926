import {
  type BlobInfo,
  type BlobSource,
  type FinishOptions,
  type Ingest,
  IngestBusyError,
  type IngestOptions,
  type PendingIngest,
  type SignedChunkMap,
  StoreClosedError,
  singleChunkMap
} from '@shoal/content'
import { type Digest, digestAlgorithm, digestOf, OciError } from '@shoal/oci'
import type { BlobStore } from './blob-store.ts'

/** Blobs that are gone with the process: the twin of the durable store for tests and for trying things out. */
export class MemoryBlobStore implements BlobStore {
  readonly #blobs = new Map<Digest, Buffer>()
  readonly #pending = new Map<string, Buffer>()
  readonly #open = new Set<string>()

  get usage(): { bytes: number; blobs: number } {
    const bytes = [...this.#blobs.values()].reduce((sum, blob) => sum + blob.length, 0)
    return { bytes, blobs: this.#blobs.size }
  }

  async stat(digest: Digest): Promise<BlobInfo | undefined> {
    const blob = this.#blobs.get(digest)
    return blob === undefined ? undefined : { digest, size: blob.length }
  }

  async open(digest: Digest): Promise<BlobSource | undefined> {
    const blob = this.#blobs.get(digest)
    if (blob === undefined) return undefined
    return {
      digest,
      size: blob.length,
      available: async (position) => blob.length - position,
      read: async (target, position) => blob.copy(target, 0, position),
      close: async () => undefined
    }
  }

  async *list(): AsyncGenerator<BlobInfo, void, void> {
    for (const [digest, blob] of [...this.#blobs]) yield { digest, size: blob.length }
  }

  async ingest(options: IngestOptions = {}): Promise<Ingest> {
    const { id } = options
    if (id !== undefined && this.#open.has(id)) throw new IngestBusyError()
    if (id !== undefined) this.#open.add(id)
    return new MemoryIngest({
      options,
      bytes: this.#pending.get(id ?? '') ?? Buffer.of(),
      keep: (bytes) => {
        if (id !== undefined) this.#pending.set(id, bytes)
      },
      commit: (digest, bytes) => this.#blobs.set(digest, bytes),
      onOver: (remove) => {
        if (id === undefined) return
        this.#open.delete(id)
        if (remove) this.#pending.delete(id)
      }
    })
  }

  async pendingIngests(): Promise<PendingIngest[]> {
    return [...this.#pending]
      .filter(([id]) => !this.#open.has(id))
      .map(([id, bytes]) => ({ id, received: bytes.length, usedAt: 0 }))
  }

  async delete(digest: Digest): Promise<boolean> {
    return this.#blobs.delete(digest)
  }

  async chunkMap(digest: Digest): Promise<SignedChunkMap | undefined> {
    const blob = this.#blobs.get(digest)
    const map = blob === undefined ? undefined : singleChunkMap(digest, blob.length)
    return map === undefined ? undefined : { map, segments: [] }
  }
}

interface MemoryIngestInit {
  readonly options: IngestOptions
  readonly bytes: Buffer
  readonly keep: (bytes: Buffer) => void
  readonly commit: (digest: Digest, bytes: Buffer) => void
  readonly onOver: (remove: boolean) => void
}

class MemoryIngest implements Ingest {
  readonly #init: MemoryIngestInit
  #bytes: Buffer
  #isOver = false
  busy = false

  constructor(init: MemoryIngestInit) {
    this.#init = init
    this.#bytes = init.bytes
    init.keep(init.bytes)
  }

  get received(): number {
    return this.#bytes.length
  }

  async append(source: AsyncIterable<Uint8Array>, options?: { readonly signal?: AbortSignal }): Promise<number> {
    this.#assertOpen()
    const { keep, options: announced } = this.#init
    this.busy = true
    try {
      for await (const piece of source) {
        options?.signal?.throwIfAborted()
        if (this.#bytes.length + piece.length > (announced.size ?? Number.POSITIVE_INFINITY)) {
          throw new OciError('SIZE_INVALID', `more than the announced ${announced.size} bytes came`)
        }
        this.#bytes = Buffer.concat([this.#bytes, piece])
        keep(this.#bytes)
        announced.onReceived?.(this.received)
      }
      return this.received
    } finally {
      this.busy = false
    }
  }

  async rewind(length: number): Promise<void> {
    this.#assertOpen()
    if (this.busy) throw new IngestBusyError()
    this.#bytes = this.#bytes.subarray(0, length)
    this.#init.keep(this.#bytes)
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    this.#assertOpen()
    return this.#bytes.copy(target, 0, position)
  }

  async finish(expected: Digest, finishing?: FinishOptions): Promise<BlobInfo> {
    this.#assertOpen()
    const { commit, options } = this.#init
    this.#end(true)
    if (options.size !== undefined && options.size !== this.received) {
      throw new OciError('SIZE_INVALID', `${options.size} bytes were announced, but ${this.received} came`)
    }
    const actual = digestOf(this.#bytes, digestAlgorithm(expected))
    if (actual !== expected) throw new OciError('DIGEST_INVALID', `the content has the digest ${actual}`)
    finishing?.onProven?.()
    commit(expected, this.#bytes)
    return { digest: expected, size: this.received }
  }

  async abort(): Promise<void> {
    this.#end(true)
  }

  async suspend(): Promise<void> {
    this.#end(false)
  }

  #assertOpen(): void {
    if (this.#isOver) throw new StoreClosedError('the ingest')
  }

  #end(remove: boolean): void {
    if (this.#isOver) return
    this.#isOver = true
    this.#init.onOver(remove)
  }
}
