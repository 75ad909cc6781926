import type { Digest } from '@shoal/oci'

/** For how long a peer is not believed what it says of a blob. */
export const DOUBT_MS = 60_000
/** Blobs about which somebody is doubted; the oldest goes first. */
export const MAX_DOUBTED_BLOBS = 1_000

/** Whose word on the size of which small blob turned out to be worth nothing. Pure state: times are handed in, in ms. */
export class Doubts {
  readonly #doubts = new Map<Digest, Map<string, number>>()

  add(digest: Digest, peerId: string, now: number): void {
    const peers = this.#doubts.get(digest) ?? new Map<string, number>()
    this.#doubts.delete(digest)
    this.#doubts.set(digest, peers)
    peers.set(peerId, now + DOUBT_MS)
    const oldest = this.#doubts.keys().next().value
    if (this.#doubts.size > MAX_DOUBTED_BLOBS && oldest !== undefined) this.#doubts.delete(oldest)
  }

  has(digest: Digest, peerId: string, now: number): boolean {
    return (this.#doubts.get(digest)?.get(peerId) ?? 0) > now
  }
}
