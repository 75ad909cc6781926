import type { RejectReason } from '../exchange/frame.ts'
import type { Link } from '../exchange/link.ts'
import type { Logger } from '../logger.ts'
import type { RateLimiter } from '../rate-limiter.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import type { SlotUser, UploadSlots } from './upload-slots.ts'

/** Chunks that one peer may have asked for and not been sent; what is asked beyond that is rejected as busy. */
export const MAX_QUEUED_UPLOADS = 128

/** Blobs of which one peer is sent chunks at the same time. */
export const MAX_BLOBS_AT_ONCE = 3

/** A chunk that a peer asked for. */
export interface UploadJob {
  /** Our number for the blob. */
  readonly channel: number
  /** The chunk; undefined when the choice is ours. */
  readonly index: number | undefined
  /** Settles which chunk it is, at the moment of sending. Undefined: there is none to give, for this reason. */
  choose(): { readonly index: number } | { readonly reason: RejectReason }
  /** Bytes of a chunk. */
  length(index: number): number
  /** Reads from `offset` on inside a chunk, as much as `target` takes. */
  read(index: number, offset: number, target: Uint8Array): Promise<void>
  /** The chunk went out whole, or did not. */
  finished(index: number, complete: boolean): void
}

/** What uploads are made of. */
export interface UploadsInit {
  readonly link: Link
  readonly limiter: RateLimiter
  readonly transfer: TransferMetrics
  readonly logger: Logger
  /** Shared with the uploads to all other peers. */
  readonly slots: UploadSlots
}

interface Sending {
  readonly index: number
  /** Whether the choice was ours. */
  readonly any: boolean
  readonly controller: AbortController
}

/**
 * Serves one peer: blobs in turn and up to three at the same time, piece by piece, so that a small blob never waits behind
 * a large one. Of each blob one chunk is sent at a time; it is chosen and read only when its turn has come.
 */
export class Uploads implements SlotUser {
  readonly #init: UploadsInit
  readonly #queues = new Map<number, UploadJob[]>()
  /** What is being sent, by our number for the blob. */
  readonly #sending = new Map<number, Sending | undefined>()
  #queued = 0

  constructor(init: UploadsInit) {
    this.#init = init
  }

  get queued(): number {
    return this.#queued
  }

  /** @returns false when the peer has too much queued already */
  add(job: UploadJob): boolean {
    if (this.#queued >= MAX_QUEUED_UPLOADS) return false
    const queue = this.#queues.get(job.channel) ?? []
    this.#queues.set(job.channel, queue)
    queue.push(job)
    this.#queued++
    this.serveMore()
    return true
  }

  /** Drops the asks for these chunks of a blob, or its asks for any when `indexes` is empty. */
  cancel(channel: number, indexes: readonly number[]): void {
    const any = indexes.length === 0
    this.#filter(channel, (job) => (any ? job.index !== undefined : !indexes.includes(job.index ?? -1)))
    const sending = this.#sending.get(channel)
    // A choice of ours is named by its number once its first piece has come, so both kinds may be cancelled by number.
    if (sending !== undefined && (any ? sending.any : indexes.includes(sending.index))) sending.controller.abort()
  }

  /** Drops every ask for a blob. */
  drop(channel: number): void {
    this.#filter(channel, () => false)
    this.#sending.get(channel)?.controller.abort()
  }

  #filter(channel: number, keep: (job: UploadJob) => boolean): void {
    const queue = this.#queues.get(channel)
    if (queue === undefined) return
    const kept = queue.filter(keep)
    this.#queued -= queue.length - kept.length
    if (kept.length === 0) this.#queues.delete(channel)
    else this.#queues.set(channel, kept)
  }

  #next(): UploadJob | undefined {
    for (const [channel, queue] of this.#queues) {
      if (this.#sending.has(channel)) continue
      const job = queue.shift()
      // Back of the line, so that the next blob has its turn.
      this.#queues.delete(channel)
      if (queue.length > 0) this.#queues.set(channel, queue)
      if (job === undefined) continue
      this.#queued--
      return job
    }
    return undefined
  }

  /** Sends what may be sent now. */
  serveMore(): void {
    const { slots, link } = this.#init
    while (this.#sending.size < MAX_BLOBS_AT_ONCE && this.#queued > 0 && !link.closed) {
      const release = slots.take(this)
      if (release === undefined) return
      const job = this.#next()
      if (job === undefined) {
        // All that waits is of blobs of which a chunk is being sent.
        release()
        return
      }
      this.#sending.set(job.channel, undefined)
      this.#serve(job)
        .catch((error: unknown) => {
          this.#init.logger.debug({ error, peer: this.#init.link.peerId }, 'a chunk could not be sent')
        })
        .finally(() => {
          this.#sending.delete(job.channel)
          release()
          this.serveMore()
        })
    }
  }

  async #serve(job: UploadJob): Promise<void> {
    const { link, limiter, transfer, logger } = this.#init
    const { channel } = job
    const any = job.index === undefined
    const choice = job.choose()
    if ('reason' in choice) {
      const indexes = job.index === undefined ? [] : [job.index]
      link.send({ type: 'reject', channel, reason: choice.reason, any: any ? 1 : 0, indexes })
      return
    }
    const { index } = choice
    const controller = new AbortController()
    this.#sending.set(channel, { index, any, controller })
    const length = job.length(index)
    let complete = false
    let begun = false
    const read = async (target: Uint8Array, offset: number) => {
      await job.read(index, offset, target)
      begun = true
    }
    try {
      const { kind } = link.outlet
      const sent = await link.sendChunk(
        { channel, index, length, read },
        { signal: controller.signal, paced: (bytes) => limiter.take(bytes) }
      )
      transfer.sent('peer', kind, sent)
      complete = sent === length
    } catch (error) {
      // The blob may have been left meanwhile, and its channel with it.
      if (controller.signal.aborted) return
      logger.error({ error, index }, 'cannot read a chunk that should be held')
      // Once its first piece has gone out, a chunk of our choice is known to the peer by its number.
      const byNumber = begun || !any
      link.send({ type: 'reject', channel, reason: 'lacking', any: byNumber ? 0 : 1, indexes: byNumber ? [index] : [] })
    } finally {
      job.finished(index, complete)
    }
  }
}
