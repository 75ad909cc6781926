import { ChunkMismatchError, chunkCount, chunkLength, chunkOffset, type PartialBlob } from '@shoal/content'
import type { Clock } from '../clock.ts'
import type { Logger } from '../logger.ts'
import type { Fallback } from './fallback.ts'

/** The registry is asked for ranges over HTTP when nothing has come from the mesh for this long. */
export const FALLBACK_DELAY_MS = 1_500
/** The same while no peer holds anything. */
export const LONE_FALLBACK_DELAY_MS = 250
/** The same while the registry itself is linked: HTTP then only helps when that link is stuck. */
export const LINKED_FALLBACK_DELAY_MS = 5_000
/** Bytes that one range request asks for at most. */
export const FALLBACK_RANGE_BYTES = 8 * 1024 * 1024
const MIN_BACKOFF_MS = 500
const MAX_BACKOFF_MS = 10_000

/** What a reader needs. */
export interface FallbackReaderInit {
  readonly fallback: Fallback
  readonly blob: PartialBlob
  readonly clock: Clock
  readonly logger: Logger
  readonly signal: AbortSignal
  /** So many bytes are about to be asked for. */
  readonly spend: (bytes: number) => void
  /** A chunk has come and was right. */
  readonly stored: (index: number, bytes: number) => void
  /** A chunk has come and was wrong. */
  readonly rejected: (index: number) => void
  /** The blob cannot be kept here: the disk is full, or the store is closed. */
  readonly broken: (error: Error) => void
}

/** Fetches runs of missing chunks from the registry over HTTP, one range at a time, for as long as it is told to. */
export class FallbackReader {
  readonly #init: FallbackReaderInit
  #running = false
  #backoffMs = 0
  #retryAt = 0

  constructor(init: FallbackReaderInit) {
    this.#init = init
  }

  get running(): boolean {
    return this.#running
  }

  /** Starts on the lowest missing chunks, unless a run is under way or has just failed. */
  start(): void {
    if (this.#running || this.#init.clock.now() < this.#retryAt) return
    this.#running = true
    this.#run()
      .then(
        () => {
          this.#backoffMs = 0
        },
        (error: unknown) => this.#failed(error)
      )
      .finally(() => {
        this.#running = false
      })
  }

  #failed(error: unknown): void {
    const { clock, logger, blob } = this.#init
    this.#backoffMs = Math.min(MAX_BACKOFF_MS, Math.max(MIN_BACKOFF_MS, this.#backoffMs * 2))
    this.#retryAt = clock.now() + this.#backoffMs
    logger.debug({ error, digest: blob.map.digest }, 'a range from the registry failed')
  }

  async #run(): Promise<void> {
    const { fallback, blob, signal } = this.#init
    const run = nextRun(blob)
    if (run === undefined) return
    const end = chunkOffset(blob.map, run.last) + chunkLength(blob.map, run.last)
    const range = { start: chunkOffset(blob.map, run.first), end }
    this.#init.spend(range.end - range.start)
    const body = await fallback.read(blob.map.digest, range, { signal })
    if (body === undefined) throw new Error('the registry does not have the blob')
    let index = run.first
    let chunk = Buffer.allocUnsafeSlow(chunkLength(blob.map, index))
    let filled = 0
    for await (const bytes of body) {
      for (let at = 0; at < bytes.length && index <= run.last; ) {
        const taken = Math.min(chunk.length - filled, bytes.length - at)
        chunk.set(bytes.subarray(at, at + taken), filled)
        filled += taken
        at += taken
        if (filled < chunk.length) continue
        await this.#store(index, chunk)
        index++
        filled = 0
        if (index <= run.last) chunk = Buffer.allocUnsafeSlow(chunkLength(blob.map, index))
      }
    }
    if (index <= run.last) throw new Error('the registry’s answer ended too early')
  }

  async #store(index: number, chunk: Uint8Array): Promise<void> {
    const { blob, signal } = this.#init
    try {
      if ((await blob.put(index, chunk, { signal })) === 'stored') this.#init.stored(index, chunk.length)
    } catch (error) {
      if (error instanceof ChunkMismatchError) this.#init.rejected(index)
      else if (!signal.aborted && error instanceof Error) this.#init.broken(error)
      throw error
    }
  }
}

/** The first run of missing chunks, as long as one range may be. */
function nextRun(blob: PartialBlob): { first: number; last: number } | undefined {
  const first = blob.have.firstMissing()
  if (first === undefined) return undefined
  const most = Math.max(1, Math.floor(FALLBACK_RANGE_BYTES / blob.map.chunkSize))
  let last = first
  while (last + 1 < Math.min(first + most, chunkCount(blob.map)) && !blob.have.has(last + 1)) last++
  return { first, last }
}
