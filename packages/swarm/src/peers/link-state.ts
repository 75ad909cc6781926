import type { Digest } from '@shoal/oci'
import type { Link } from '../exchange/link.ts'
import type { DirectLane } from '../lane/direct-lanes.ts'
import type { Certificate } from '../membership/certificate.ts'
import { WireError } from '../wire.ts'
import { Uploads, type UploadsInit } from './uploads.ts'

/** Blobs that one peer may speak of at a time. */
export const MAX_CHANNELS = 4_096

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
  readonly #ours = new Map<Digest, number>()
  readonly #theirs = new Map<number, Digest>()
  /** Numbers that the peer has withdrawn: chunks may still come over the direct lane that it sent before. */
  readonly #left = new Set<number>()
  #nextChannel = 1
  #strayRoom = STRAY_ROOM_BYTES

  constructor(link: Link, dialled: boolean, uploads: UploadsInit) {
    this.link = link
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

  forgetTheirs(channel: number): void {
    if (!this.#theirs.delete(channel)) return
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
    const channel = this.#ours.get(digest)
    if (channel === undefined) return
    this.uploads.drop(channel)
    this.#ours.delete(digest)
  }
}
