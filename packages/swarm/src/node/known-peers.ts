import { boundAddresses, type PeerAddress } from '../exchange/frame.ts'
import type { NeighbourCandidate } from './neighbours.ts'

/** Members that an agent remembers for dialling them; those that cannot be reached, then those only heard of, then the oldest, go first. */
export const MAX_KNOWN_PEERS = 1_024
/** A peer that could not be dialled is left alone for this long, and twice as long each time after. */
export const FIRST_BACKOFF_MS = 2_000
export const MAX_BACKOFF_MS = 300_000
/** A peer whose link has ended is left alone for this long: one of both sides wanted it so. */
export const REST_MS = 15_000
/** A peer counts as wanted for this long after discovery has named it. */
export const WANTED_MS = 30_000

interface Known {
  addresses: readonly string[]
  failures: number
  /** Whether it has shown a certificate here. */
  wasLinked: boolean
  /** Not dialled before this time. */
  notBefore: number
  wantedUntil: number
  scarceUntil: number
  zone: string | undefined
}

/** Members that could be dialled, bounded, each with its own back-off. Pure state: time is handed in, in ms. */
export class KnownPeers {
  readonly #peers = new Map<string, Known>()

  get size(): number {
    return this.#peers.size
  }

  /** A member is said to be there. A new address is a reason to try it again at once. */
  learn({ peerId, addresses }: PeerAddress, now: number): void {
    const known = this.#peers.get(peerId)
    const fresh = boundAddresses(addresses)
    if (known === undefined) {
      this.#makeRoom()
      this.#peers.set(peerId, {
        addresses: fresh,
        failures: 0,
        wasLinked: false,
        notBefore: 0,
        wantedUntil: 0,
        scarceUntil: 0,
        zone: undefined
      })
      return
    }
    if (fresh.length === 0) return
    const isNews = fresh.some((address) => !known.addresses.includes(address))
    if (isNews && known.failures > 0) {
      known.failures = 0
      known.notBefore = now
    }
    known.addresses = fresh
  }

  /** It has, or fetches, a blob that is wanted now; `scarce` when no linked peer has it. */
  want(peer: PeerAddress, scarce: boolean, now: number): void {
    this.learn(peer, now)
    const known = this.#peers.get(peer.peerId)
    if (known === undefined) return
    known.wantedUntil = now + WANTED_MS
    if (scarce) known.scarceUntil = now + WANTED_MS
  }

  isWanted(peerId: string, now: number): boolean {
    return (this.#peers.get(peerId)?.wantedUntil ?? 0) > now
  }

  addressesOf(peerId: string): readonly string[] {
    return this.#peers.get(peerId)?.addresses ?? []
  }

  /** It could not be dialled, or what answered was no member. */
  failed(peerId: string, now: number): void {
    const known = this.#peers.get(peerId)
    if (known === undefined) return
    known.notBefore = now + Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** known.failures)
    known.failures++
  }

  /** It is linked, and its certificate says where it is. */
  reached(peerId: string, zone?: string): void {
    const known = this.#peers.get(peerId)
    if (known === undefined) return
    known.failures = 0
    known.wasLinked = true
    known.zone = zone ?? known.zone
  }

  /** A good link with it has ended. */
  rest(peerId: string, now: number): void {
    const known = this.#peers.get(peerId)
    if (known !== undefined) known.notBefore = Math.max(known.notBefore, now + REST_MS)
  }

  /** Those that may be dialled now, but for the ones that `except` holds back. */
  candidates(now: number, except: (peerId: string) => boolean): NeighbourCandidate[] {
    const candidates: NeighbourCandidate[] = []
    for (const [peerId, { notBefore, wantedUntil, scarceUntil, zone }] of this.#peers) {
      if (notBefore > now || except(peerId)) continue
      candidates.push({
        peerId,
        wanted: wantedUntil > now,
        scarce: scarceUntil > now,
        ...(zone === undefined ? {} : { zone })
      })
    }
    return candidates
  }

  #makeRoom(): void {
    if (this.#peers.size < MAX_KNOWN_PEERS) return
    let leaving: string | undefined
    let most = -1
    // The oldest of those that failed most often; any member may name peers that there are not, but not push out those that there are.
    for (const [peerId, { failures, wasLinked }] of this.#peers) {
      const rank = 2 * failures + (wasLinked ? 0 : 1)
      if (rank <= most) continue
      most = rank
      leaving = peerId
    }
    if (leaving !== undefined) this.#peers.delete(leaving)
  }
}
