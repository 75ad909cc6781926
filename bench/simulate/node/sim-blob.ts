import {
  type Bitfield,
  type BlobSource,
  type ChunkBuffer,
  ChunkMismatchError,
  type LentBytes,
  type PartialBlob,
  type SignedChunkMap
} from '@shoal/content'
import type { Digest } from '@shoal/oci'
import { WRONG } from './chunk-memory.ts'

/** What a blob needs. */
export interface SimBlobInit {
  readonly signed: SignedChunkMap
  readonly have: Bitfield
  /** Resolves when so many bytes more are hashed and written. */
  readonly written: (bytes: number) => Promise<void>
  readonly stored: (digest: Digest, index: number) => void
}

/** A blob without bytes: whole, or still coming in. */
export class SimBlob implements PartialBlob {
  readonly signed: SignedChunkMap
  readonly have: Bitfield
  /** Somebody reads it in order, faster than it comes. */
  isRead = false
  readonly #init: SimBlobInit

  constructor(init: SimBlobInit) {
    this.#init = init
    this.signed = init.signed
    this.have = init.have
  }

  get map(): SignedChunkMap['map'] {
    return this.signed.map
  }

  get complete(): boolean {
    return this.have.complete
  }

  async put(index: number, chunk: Uint8Array | ChunkBuffer): Promise<'stored' | 'duplicate'> {
    const bytes = chunk instanceof Uint8Array ? chunk : chunk.bytes
    const isWrong = bytes[0] === WRONG
    await this.#init.written(bytes.length)
    if (isWrong) throw new ChunkMismatchError(index, `chunk ${index} of ${this.map.digest} is wrong`)
    if (!this.have.set(index)) return 'duplicate'
    this.#init.stored(this.map.digest, index)
    return 'stored'
  }

  *awaited(): Generator<number, void, void> {
    const missing = this.isRead ? this.have.firstMissing() : undefined
    if (missing !== undefined) yield missing
  }

  source(): BlobSource {
    const { digest, size } = this.map
    return { digest, size, available: noBytes, read: noBytes, close: () => Promise.resolve() }
  }

  readChunk(): Promise<number> {
    return noBytes()
  }

  lend(): Promise<LentBytes> {
    return noBytes()
  }

  onChunk(): () => void {
    return () => undefined
  }

  onComplete(): () => void {
    return () => undefined
  }

  fail(): void {
    this.isRead = false
  }

  release(): Promise<void> {
    return Promise.resolve()
  }
}

function noBytes(): Promise<never> {
  return Promise.reject(new Error('a simulated blob has no bytes'))
}
