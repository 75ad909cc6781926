import type { Digest } from '@shoal/oci'
import type { Link } from '../exchange/link.ts'
import type { Certificate } from '../membership/certificate.ts'
import { WireError } from '../wire.ts'
import { Uploads, type UploadsInit } from './uploads.ts'

/** Blobs that one peer may speak of at a time. */
export const MAX_CHANNELS = 4_096

/** What this node keeps about one link: the numbers that both sides gave to blobs, and what it is being sent. */
export class LinkState {
  readonly link: Link
  readonly uploads: Uploads
  /** Whether this side opened it. */
  readonly dialled: boolean
  certificate: Certificate | undefined
  /** When the peer had shown its certificate, ms. */
  readyAt = 0
  bytesReceived = 0
  bytesSent = 0
  readonly #ours = new Map<Digest, number>()
  readonly #theirs = new Map<number, Digest>()
  #nextChannel = 1

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
    this.#theirs.delete(channel)
  }

  /** We are not in the blob's swarm any more. */
  forget(digest: Digest): void {
    const channel = this.#ours.get(digest)
    if (channel === undefined) return
    this.uploads.drop(channel)
    this.#ours.delete(digest)
  }
}
