import type { Digest } from '@shoal/oci'
import type { BlobInfo } from './blob-info.ts'

/** What is on disk of one blob. */
export interface IndexEntry {
  readonly digest: Digest
  /** A partial blob is not. */
  readonly whole: boolean
  /** Bytes on disk: the size of a whole blob. */
  readonly bytes: number
  /** When it was last opened, milliseconds since 1970. */
  readonly accessedAt: number
}

/**
 * What the store has, in memory, least recently used first, and who uses it. All of it changes synchronously, so that
 * looking at it and acting on it is one step.
 */
export class BlobIndex {
  readonly #entries = new Map<Digest, IndexEntry>()
  readonly #pins = new Map<Digest, number>()
  readonly #onBytes: (bytes: number) => void
  #bytes = 0
  #blobs = 0

  /** @param onBytes is told when the sum of all bytes changes. */
  constructor(onBytes: (bytes: number) => void = () => undefined) {
    this.#onBytes = onBytes
  }

  /** Bytes on disk. */
  get bytes(): number {
    return this.#bytes
  }

  /** Number of whole blobs. */
  get blobs(): number {
    return this.#blobs
  }

  get(digest: Digest): IndexEntry | undefined {
    return this.#entries.get(digest)
  }

  whole(digest: Digest): BlobInfo | undefined {
    const entry = this.#entries.get(digest)
    return entry?.whole ? { digest, size: entry.bytes } : undefined
  }

  /** Set what is on disk of a blob, and make it the most recently used. */
  set(entry: IndexEntry): void {
    this.#forget(entry.digest)
    this.#entries.set(entry.digest, entry)
    this.#count(entry, 1)
  }

  /** Say that a partial blob has grown. A blob that became whole in another way meanwhile is left alone. */
  grow(digest: Digest, bytes: number): void {
    const entry = this.#entries.get(digest)
    if (entry !== undefined && !entry.whole) this.set({ ...entry, bytes: entry.bytes + bytes })
  }

  /** @returns what was there. */
  remove(digest: Digest): IndexEntry | undefined {
    return this.#forget(digest)
  }

  /** All entries as they are now, least recently used first. */
  entries(): IndexEntry[] {
    return [...this.#entries.values()]
  }

  /** While a blob is pinned it is not evicted. Each call needs an `unpin`. */
  pin(digest: Digest): void {
    this.#pins.set(digest, (this.#pins.get(digest) ?? 0) + 1)
  }

  unpin(digest: Digest): void {
    const left = (this.#pins.get(digest) ?? 0) - 1
    if (left > 0) this.#pins.set(digest, left)
    else this.#pins.delete(digest)
  }

  pinned(digest: Digest): boolean {
    return this.#pins.has(digest)
  }

  /** The least recently used blob that nobody uses, `except` one. */
  oldestUnused(except: ReadonlySet<Digest>): IndexEntry | undefined {
    for (const entry of this.#entries.values()) {
      if (!this.#pins.has(entry.digest) && !except.has(entry.digest)) return entry
    }
    return undefined
  }

  #forget(digest: Digest): IndexEntry | undefined {
    const entry = this.#entries.get(digest)
    if (entry !== undefined) {
      this.#entries.delete(digest)
      this.#count(entry, -1)
    }
    return entry
  }

  #count(entry: IndexEntry, sign: 1 | -1): void {
    this.#bytes += sign * entry.bytes
    if (entry.whole) this.#blobs += sign
    this.#onBytes(this.#bytes)
  }
}
