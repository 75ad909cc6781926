import type { Hash } from 'node:crypto'
import { createHash } from 'node:crypto'
import type { Digest } from '@shoal/oci'
import type { ChunkMap } from './chunk-map.ts'
import type { ChunkSizing } from './chunk-sizing.ts'
import { CHUNK_SIZING, chunkSizeFor, largestBlobFor } from './chunk-sizing.ts'

/** One way of cutting that the blob may turn out to need. */
interface Cutting {
  readonly chunkSize: number
  /** The largest blob that is cut like this, bytes. */
  readonly largestBlob: number
  readonly digests: Uint8Array[]
}

/** A hash that has run since `start`, for every cutting whose current chunk began there. */
interface Run {
  readonly hash: Hash
  cuttings: Cutting[]
}

/**
 * Cuts a blob into chunks while it passes, once and in order.
 *
 * The chunk size follows from the blob's size. Where that is not known before, every chunk size still possible is
 * followed: chunks that begin at the same byte share one hash up to the end of the shorter, and a chunk size is given
 * up as soon as the blob is too large for it. The first 45 MiB then cost three times the hashing, a large blob costs
 * what it would have cost, and the result is the same.
 */
export class ChunkHasher {
  readonly #sizing: ChunkSizing
  readonly #announced: number | undefined
  #cuttings: Cutting[]
  #runs: Run[]
  #size = 0

  /** @param size the blob's size in bytes, where it is known. */
  constructor(size?: number, sizing: ChunkSizing = CHUNK_SIZING) {
    this.#sizing = sizing
    this.#announced = size
    this.#cuttings = possibleChunkSizes(size, sizing).map((chunkSize) => ({
      chunkSize,
      largestBlob: size === undefined ? largestBlobFor(chunkSize, sizing) : Number.POSITIVE_INFINITY,
      digests: []
    }))
    this.#runs = [{ hash: createHash('sha256'), cuttings: this.#cuttings }]
  }

  /** Bytes taken so far. */
  get size(): number {
    return this.#size
  }

  /** Take the next bytes. They are done with when it returns. */
  update(bytes: Uint8Array): void {
    this.#giveUpTooSmall(this.#size + bytes.length)
    const step = this.#cuttings[0]?.chunkSize ?? this.#sizing.maxBytes
    let done = 0
    while (done < bytes.length) {
      const length = Math.min(bytes.length - done, step - (this.#size % step))
      const piece = bytes.subarray(done, done + length)
      for (const run of this.#runs) run.hash.update(piece)
      done += length
      this.#size += length
      if (this.#size % step === 0) this.#endChunks()
    }
  }

  /**
   * The chunk map of all that came. To be called once, at the end.
   *
   * @throws RangeError when the blob has another size than was announced.
   */
  finish(digest: Digest): ChunkMap {
    if (this.#announced !== undefined && this.#announced !== this.#size) {
      throw new RangeError(`${this.#announced} bytes were announced, but ${this.#size} came`)
    }
    const chunkSize = chunkSizeFor(this.#size, this.#sizing)
    const cutting = this.#cuttings.find((candidate) => candidate.chunkSize === chunkSize)
    const run = this.#runs.find(({ cuttings }) => cutting !== undefined && cuttings.includes(cutting))
    if (cutting === undefined || run === undefined)
      throw new RangeError(`chunks of ${chunkSize} bytes were not followed`)
    if (this.#size % chunkSize !== 0) cutting.digests.push(run.hash.digest())
    return { digest, size: this.#size, chunkSize, chunkDigests: Buffer.concat(cutting.digests) }
  }

  /** End every chunk whose end is here, and begin the next one of each in a run that they share. */
  #endChunks(): void {
    const next: Cutting[] = []
    for (const run of this.#runs) {
      const ended = run.cuttings.filter(({ chunkSize }) => this.#size % chunkSize === 0)
      if (ended.length === 0) continue
      run.cuttings = run.cuttings.filter((cutting) => !ended.includes(cutting))
      const digest = (run.cuttings.length > 0 ? run.hash.copy() : run.hash).digest()
      for (const cutting of ended) cutting.digests.push(digest)
      next.push(...ended)
    }
    this.#runs = this.#runs.filter(({ cuttings }) => cuttings.length > 0)
    this.#runs.push({ hash: createHash('sha256'), cuttings: next })
  }

  #giveUpTooSmall(size: number): void {
    if (size <= (this.#cuttings[0]?.largestBlob ?? size)) return
    this.#cuttings = this.#cuttings.filter(({ largestBlob }) => size <= largestBlob)
    for (const run of this.#runs) run.cuttings = run.cuttings.filter(({ largestBlob }) => size <= largestBlob)
    this.#runs = this.#runs.filter(({ cuttings }) => cuttings.length > 0)
  }
}

/** Smallest first. The chunk size of a blob of one chunk is among those of larger blobs. */
function possibleChunkSizes(size: number | undefined, sizing: ChunkSizing): number[] {
  if (size !== undefined) return [chunkSizeFor(size, sizing)]
  const sizes: number[] = []
  for (let chunkSize = sizing.minBytes; chunkSize <= sizing.maxBytes; chunkSize *= 2) sizes.push(chunkSize)
  return sizes
}
