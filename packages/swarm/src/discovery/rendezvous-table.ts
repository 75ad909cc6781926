import type { Digest } from '@shoal/oci'
import { mixZones } from '../node/zone-mix.ts'

/** Blobs that a table remembers; the one touched longest ago goes first. */
export const MAX_TABLE_DIGESTS = 200_000
/** Peers that a table remembers for one blob. */
export const MAX_TABLE_PEERS = 1_024
/** Blobs that a table remembers of one peer; the one that it named longest ago goes first, and nobody else's. */
export const MAX_PEER_DIGESTS = 20_000

/** Peers that are drawn for one that is picked: among them are enough of the asker's zone, unless that is a very small one. */
const SAMPLES_PER_PICK = 4

/** Which peers have, or are fetching, which blobs: what the registry's rendezvous knows. Soft state, bounded. */
export class RendezvousTable {
  readonly #holders = new Map<Digest, Set<string>>()
  readonly #held = new Map<string, Set<Digest>>()
  readonly #random: () => number

  constructor(random: () => number) {
    this.#random = random
  }

  get digests(): number {
    return this.#holders.size
  }

  /** Peers, for all blobs together. */
  get registrations(): number {
    return this.#held.values().reduce((sum, { size }) => sum + size, 0)
  }

  add(digest: Digest, peerId: string): void {
    const holders = this.#holders.get(digest) ?? new Set()
    this.#holders.delete(digest)
    this.#holders.set(digest, holders)
    if (holders.size < MAX_TABLE_PEERS || holders.has(peerId)) {
      holders.add(peerId)
      const held = this.#held.get(peerId) ?? new Set()
      this.#held.set(peerId, held)
      held.delete(digest)
      held.add(digest)
      const [first] = held
      if (held.size > MAX_PEER_DIGESTS && first !== undefined) this.remove(first, peerId)
    }
    if (this.#holders.size <= MAX_TABLE_DIGESTS) return
    const oldest = this.#holders.keys().next().value
    if (oldest === undefined) return
    for (const holder of this.#holders.get(oldest) ?? []) this.remove(oldest, holder)
  }

  remove(digest: Digest, peerId: string): void {
    const holders = this.#holders.get(digest)
    holders?.delete(peerId)
    if (holders?.size === 0) this.#holders.delete(digest)
    const held = this.#held.get(peerId)
    held?.delete(digest)
    if (held?.size === 0) this.#held.delete(peerId)
  }

  /** A peer has gone, and all that it held with it. */
  removePeer(peerId: string): void {
    for (const digest of [...(this.#held.get(peerId) ?? [])]) this.remove(digest, peerId)
  }

  /**
   * Up to `count` peers, chosen at random, but not the asker.
   *
   * @param isNear whether a peer is in the asker's zone: most of those that are picked are, see {@link mixZones}
   */
  pick(digest: Digest, asker: string, count: number, isNear: (peerId: string) => boolean = () => true): string[] {
    const candidates = [...(this.#holders.get(digest) ?? [])].filter((peerId) => peerId !== asker)
    const sampled = Math.min(SAMPLES_PER_PICK * count, candidates.length)
    for (let i = 0; i < sampled; i++) {
      const j = i + Math.floor(this.#random() * (candidates.length - i))
      const a = candidates[i]
      const b = candidates[j]
      if (a === undefined || b === undefined) continue
      candidates[i] = b
      candidates[j] = a
    }
    return mixZones(candidates.slice(0, sampled), count, isNear)
  }
}
