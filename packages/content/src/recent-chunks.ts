import type { ChunkBuffer } from './chunk-buffer.ts'

/** Memory of chunks that arrived lately, of all blobs together. */
export const RECENT_CHUNKS_BYTES = 32 * 1024 * 1024

interface Recent {
  readonly blob: object
  readonly index: number
  readonly chunk: ChunkBuffer
}

/**
 * Verified chunks that are still in the memory that they arrived in, because others want them most just after they
 * arrived. Bounded: the oldest goes first. Those who read one at that moment hold it themselves.
 */
export class RecentChunks {
  readonly #maxBytes: number
  readonly #blobs = new Map<object, Map<number, Recent>>()
  /** The oldest first. */
  readonly #order = new Set<Recent>()
  #bytes = 0

  constructor(maxBytes: number = RECENT_CHUNKS_BYTES) {
    this.#maxBytes = maxBytes
  }

  /** Memory in use, bytes. */
  get bytes(): number {
    return this.#bytes
  }

  /** Hold a chunk of a blob, which nobody writes to any more. */
  add(blob: object, index: number, chunk: ChunkBuffer): void {
    const chunks = this.#blobs.get(blob) ?? new Map<number, Recent>()
    if (chunk.capacity > this.#maxBytes || chunks.has(index)) return
    const recent = { blob, index, chunk: chunk.retain() }
    chunks.set(index, recent)
    this.#blobs.set(blob, chunks)
    this.#order.add(recent)
    this.#bytes += chunk.capacity
    for (const oldest of this.#order) {
      if (this.#bytes <= this.#maxBytes) break
      this.#remove(oldest)
    }
  }

  /** The chunk, if it is still here. Whoever needs it for longer than the moment has to hold it. */
  get(blob: object, index: number): ChunkBuffer | undefined {
    return this.#blobs.get(blob)?.get(index)?.chunk
  }

  /** Let go of all chunks of a blob. */
  drop(blob: object): void {
    for (const recent of [...(this.#blobs.get(blob)?.values() ?? [])]) this.#remove(recent)
  }

  clear(): void {
    for (const recent of [...this.#order]) this.#remove(recent)
  }

  #remove(recent: Recent): void {
    const chunks = this.#blobs.get(recent.blob)
    chunks?.delete(recent.index)
    if (chunks?.size === 0) this.#blobs.delete(recent.blob)
    this.#order.delete(recent)
    this.#bytes -= recent.chunk.capacity
    recent.chunk.release()
  }
}
