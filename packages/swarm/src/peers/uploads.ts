import { MAX_PIECE_BYTES, type RejectReason } from '../exchange/frame.ts'
import type { Link } from '../exchange/link.ts'
import type { Logger } from '../logger.ts'
import type { RateLimiter } from '../rate-limiter.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import type { SlotWaiter, UploadSlot, UploadSlots } from './upload-slots.ts'

/** Chunks that one peer may have asked for and not been sent; what is asked beyond that is rejected as busy. */
export const MAX_QUEUED_UPLOADS = 128

/** Chunks up to this length, one piece, are sent beside what is being sent: configs do not wait behind layers. */
export const EXPRESS_BYTES = MAX_PIECE_BYTES
/** Of how many blobs they are sent at the same time. */
export const MAX_EXPRESS = 2

/** A chunk that a peer asked for. */
export interface UploadJob {
  /** Our number for the blob. */
  readonly channel: number
  /** The chunk; undefined when the choice is ours. */
  readonly index: number | undefined
  /** Settles which chunk it is, at the moment of sending. Undefined: there is none to give, for this reason. */
  choose(): { readonly index: number } | { readonly reason: RejectReason }
  /** How many of the agents at hand hold the chunk: of those that one peer asked for, the rarest is sent first. */
  rarity(): number
  /** What share of the blob the peer holds, 0 to 1: who holds least is sent to first. 0 where that is not to count. */
  share(): number
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
  /** The turns of all peers. */
  readonly slots: UploadSlots
  readonly limiter: RateLimiter
  readonly transfer: TransferMetrics
  readonly logger: Logger
}

interface Sending {
  readonly index: number
  /** Whether the choice was ours. */
  readonly any: boolean
  readonly controller: AbortController
}

/**
 * Serves one peer: a chunk whenever it is the peer's turn, its blobs in turn, and small chunks beside that. Which chunk it
 * is is chosen, and read, only when its turn has come.
 */
export class Uploads implements SlotWaiter {
  readonly #init: UploadsInit
  readonly #queues = new Map<number, UploadJob[]>()
  /** What is being sent, by our number for the blob. */
  readonly #sending = new Map<number, Sending | undefined>()
  #queued = 0
  #express = 0
  /** Whether a chunk is being sent in a slot. */
  #inSlot = false

  constructor(init: UploadsInit) {
    this.#init = init
  }

  get queued(): number {
    return this.#queued
  }

  /** The least share that the peer holds of a blob of which it could be sent a chunk now. */
  get share(): number {
    let least = 1
    for (const [channel, [job]] of this.#queues) {
      if (job !== undefined && !this.#sending.has(channel)) least = Math.min(least, job.share())
    }
    return least
  }

  /** @returns false when the peer has too much queued already */
  add(job: UploadJob): boolean {
    if (this.#queued >= MAX_QUEUED_UPLOADS) return false
    const queue = this.#queues.get(job.channel) ?? []
    this.#queues.set(job.channel, queue)
    queue.push(job)
    this.#queued++
    this.#serveMore()
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

  /** @returns how many asks for any chunk of the blob were waiting */
  #dropAny(channel: number): number {
    const before = this.#queued
    this.#filter(channel, ({ index }) => index !== undefined)
    return before - this.#queued
  }

  #filter(channel: number, keep: (job: UploadJob) => boolean): void {
    const queue = this.#queues.get(channel)
    if (queue === undefined) return
    const kept = queue.filter(keep)
    this.#queued -= queue.length - kept.length
    if (kept.length === 0) this.#queues.delete(channel)
    else this.#queues.set(channel, kept)
  }

  /** It is this peer's turn. */
  begin(slot: UploadSlot): number {
    const job = this.#init.link.closed ? undefined : this.#next(() => true)
    if (job === undefined) return 0
    this.#inSlot = true
    this.#start(job, (sent) => {
      this.#inSlot = false
      slot.release(sent)
    })
    return job.length(job.index ?? 0)
  }

  /** The peer is gone: nothing more is sent to it. */
  close(): void {
    this.#init.slots.withdraw(this)
    this.#queues.clear()
    this.#queued = 0
    // What waits for the upload rate would only learn of it when its turn has come, and take the rate from others.
    for (const sending of this.#sending.values()) sending?.controller.abort()
  }

  #next(fits: (job: UploadJob) => boolean): UploadJob | undefined {
    for (const [channel, queue] of this.#queues) {
      if (this.#sending.has(channel)) continue
      const job = rarest(queue)
      if (job === undefined || !fits(job)) continue
      queue.splice(queue.indexOf(job), 1)
      // Back of the line, so that the next blob has its turn.
      this.#queues.delete(channel)
      if (queue.length > 0) this.#queues.set(channel, queue)
      this.#queued--
      return job
    }
    return undefined
  }

  #serveMore(): void {
    if (this.#init.link.closed) return
    while (this.#express < MAX_EXPRESS) {
      const job = this.#next((candidate) => candidate.length(candidate.index ?? 0) <= EXPRESS_BYTES)
      if (job === undefined) break
      this.#express++
      this.#start(job, () => this.#express--)
    }
    if (!this.#inSlot && [...this.#queues.keys()].some((channel) => !this.#sending.has(channel))) {
      this.#init.slots.request(this)
    }
  }

  #start(job: UploadJob, ended: (sent: number) => void): void {
    this.#sending.set(job.channel, undefined)
    let sent = 0
    this.#serve(job)
      .then(
        (bytes) => {
          sent = bytes
        },
        (error: unknown) => {
          this.#init.logger.debug({ error, peer: this.#init.link.peerId }, 'a chunk could not be sent')
        }
      )
      .finally(() => {
        this.#sending.delete(job.channel)
        ended(sent)
        this.#serveMore()
      })
  }

  /** @returns bytes sent */
  async #serve(job: UploadJob): Promise<number> {
    const { link, limiter, transfer, logger } = this.#init
    const { channel } = job
    const any = job.index === undefined
    const choice = job.choose()
    if ('reason' in choice) {
      const indexes = job.index === undefined ? [] : [job.index]
      // There is none for the other asks that leave the choice to us either: one answer for all of them.
      const refused = any ? 1 + this.#dropAny(channel) : 0
      link.send({ type: 'reject', channel, reason: choice.reason, any: refused, indexes })
      return 0
    }
    const { index } = choice
    const controller = new AbortController()
    this.#sending.set(channel, { index, any, controller })
    const length = job.length(index)
    let sent = 0
    let begun = false
    const read = async (target: Uint8Array, offset: number) => {
      await job.read(index, offset, target)
      begun = true
    }
    try {
      const { kind } = link.outlet
      sent = await link.sendChunk(
        { channel, index, length, read },
        { signal: controller.signal, paced: (bytes) => limiter.take(bytes, { signal: controller.signal }) }
      )
      transfer.sent('peer', kind, sent)
    } catch (error) {
      // The blob may have been left meanwhile, and its channel with it.
      if (controller.signal.aborted) return sent
      logger.error({ error, index }, 'cannot read a chunk that should be held')
      // Once its first piece has gone out, a chunk of our choice is known to the peer by its number.
      const byNumber = begun || !any
      link.send({ type: 'reject', channel, reason: 'lacking', any: byNumber ? 0 : 1, indexes: byNumber ? [index] : [] })
    } finally {
      job.finished(index, sent === length)
    }
    return sent
  }
}

/** The job whose chunk is held by the fewest; of equals the one that has waited longest. */
function rarest(queue: readonly UploadJob[]): UploadJob | undefined {
  let best: UploadJob | undefined
  let least = Number.POSITIVE_INFINITY
  for (const job of queue) {
    const rarity = job.rarity()
    if (rarity >= least) continue
    best = job
    least = rarity
  }
  return best
}
