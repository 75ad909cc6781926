import type { Digest } from '@shoal/oci'
import type { Link } from '../exchange/link.ts'
import type { DirectLane } from '../lane/direct-lanes.ts'
import type { Certificate } from '../membership/certificate.ts'
import { WireError } from '../wire.ts'
import { Budget } from './budget.ts'
import { Uploads, type UploadsInit } from './uploads.ts'

/** Blobs that one peer may speak of at a time. */
export const MAX_CHANNELS = 4_096

/** Blobs that one peer may want of us at a time; for a further one it is told that we have nothing. */
export const MAX_WANTED = 512
/** Bytes of bitfields, chunk maps and peers' names that one peer is sent at once because it asks for them, and in every second after. */
export const ANSWER_BURST_BYTES = 8 * 1024 * 1024
export const ANSWER_BYTES_PER_SECOND = 512 * 1024
/** Peers that one peer may name to us at once, and in every second after; we do not listen to more. */
export const HEARSAY_BURST_PEERS = 1_024
export const HEARSAY_PEERS_PER_SECOND = 16

const MAX_LEFT_CHANNELS = 256
/** Payload that a peer may send beyond what was asked of it, over the life of a link: a chunk that crossed our leave. */
export const STRAY_ROOM_BYTES = 8 * 1024 * 1024

/** What this node keeps about one link: the numbers that both sides gave to blobs, and what it is being sent. */
export class LinkState {
  readonly link: Link
  readonly uploads: Uploads
  /** Whether this side opened it. */
  readonly dialled: boolean
  certificate: Certificate | undefined
  /** When the peer had shown its certificate, ms. */
  readyAt = 0
  /** Since when it owes us something, and when it was asked whether it is there; ms. */
  watchedAt = 0
  pingedAt = 0
  /** The direct lane with this peer, when this process has any. */
  lane: DirectLane | undefined
  bytesReceived = 0
  bytesSent = 0
  /** What it may still be answered, in bytes. */
  readonly answers: Budget
  /** How many peers it may still name. */
  readonly hearsay: Budget
  readonly #wanted = new Set<Digest>()
  readonly #ours = new Map<Digest, number>()
  readonly #theirs = new Map<number, Digest>()
  /** Numbers that the peer has withdrawn: chunks may still come over the direct lane that it sent before. */
  readonly #left = new Set<number>()
  #nextChannel = 1
  #strayRoom = STRAY_ROOM_BYTES

  constructor(link: Link, dialled: boolean, uploads: UploadsInit, now: () => number) {
    this.link = link
    this.answers = new Budget({ perSecond: ANSWER_BYTES_PER_SECOND, burst: ANSWER_BURST_BYTES, now })
    this.hearsay = new Budget({ perSecond: HEARSAY_PEERS_PER_SECOND, burst: HEARSAY_BURST_PEERS, now })
    this.dialled = dialled
    this.uploads = new Uploads(uploads)
  }

  /** Our number for a blob, given out at first use and never used again for another. */
  channel(digest: Digest): number {
    const known = this.#ours.get(digest)
    if (known !== undefined) return known
    const channel = this.#nextChannel++
    this.#ours.set(digest, channel)
    return channel
  }

  /**
   * The peer gave a blob a number.
   *
   * @throws WireError when the number stands for another blob already, or there are too many
   */
  theirs(channel: number, digest: Digest): void {
    const known = this.#theirs.get(channel)
    if (channel === 0 || (known !== undefined && known !== digest)) {
      throw new WireError(`channel ${channel} cannot stand for ${digest}`)
    }
    if (known === undefined && this.#theirs.size >= MAX_CHANNELS) {
      throw new WireError(`the peer speaks of more than ${MAX_CHANNELS} blobs`)
    }
    this.#theirs.set(channel, digest)
  }

  /** @throws WireError when the peer has not introduced that number */
  digestOf(channel: number): Digest {
    const digest = this.#theirs.get(channel)
    if (digest === undefined) throw new WireError(`channel ${channel} has not been introduced`)
    return digest
  }

  /** Numbers that both sides have given to blobs. */
  get channels(): number {
    return this.#ours.size + this.#theirs.size
  }

  /**
   * The peer says whether it wants a blob of us.
   *
   * @returns false when it wants too many
   */
  wants(digest: Digest, wanted: boolean): boolean {
    if (!wanted) this.#wanted.delete(digest)
    else if (this.#wanted.size >= MAX_WANTED && !this.#wanted.has(digest)) return false
    else this.#wanted.add(digest)
    return true
  }

  forgetTheirs(channel: number): void {
    const digest = this.#theirs.get(channel)
    if (digest === undefined) return
    this.#wanted.delete(digest)
    this.#theirs.delete(channel)
    this.#left.add(channel)
    const [oldest] = this.#left
    if (this.#left.size > MAX_LEFT_CHANNELS && oldest !== undefined) this.#left.delete(oldest)
  }

  /** Whether the peer has withdrawn a number not long ago. */
  hasLeft(channel: number): boolean {
    return this.#left.has(channel)
  }

  /** So many bytes may still come although nobody wants them any more: they were asked for when somebody did. */
  forgive(bytes: number): void {
    this.#strayRoom += bytes
  }

  /**
   * Bytes came that nobody here wants any more.
   *
   * @throws WireError when it is more than can have been on its way
   */
  stray(bytes: number): void {
    this.#strayRoom -= bytes
    if (this.#strayRoom < 0) throw new WireError('the peer sends what nobody wants')
  }

  /** We are not in the blob's swarm any more. */
  forget(digest: Digest): void {
    this.#wanted.delete(digest)
    const channel = this.#ours.get(digest)
    if (channel === undefined) return
    this.uploads.drop(channel)
    this.#ours.delete(digest)
  }
}
