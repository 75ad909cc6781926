import type { KeyObject } from 'node:crypto'
import { assembleChunkMap, type SignedChunkMap, segmentCount, singleChunkMap, verifySegment } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { ControlFrame } from '../exchange/frame.ts'
import type { Fallback, OfferedChunkMap } from './fallback.ts'
import type { Participant } from './participant.ts'

/** A peer that has not answered for this long is taken for one that lacks the blob. */
export const ANSWER_TIMEOUT_MS = 2_000
/** A peer that was asked for the chunk map and has not sent it for this long is not waited for. */
export const MAP_TIMEOUT_MS = 6_000
/** The registry is asked over HTTP when no peer has answered within this time. */
export const FALLBACK_MAP_DELAY_MS = 250

/** A peer's word on the size of a small blob is taken when the registry is linked and has not answered within this time. */
export const CLAIM_DELAY_MS = 500

/** Neither a peer nor the registry has the blob. */
export class BlobNotFoundError extends Error {
  readonly code = 'BLOB_NOT_FOUND'
  readonly digest: Digest

  constructor(digest: Digest, options?: ErrorOptions) {
    super(`neither a peer nor the registry has ${digest}`, options)
    this.name = 'BlobNotFoundError'
    this.digest = digest
  }
}

/** What a search needs. */
export interface MapSearchInit {
  readonly digest: Digest
  /** Key of the registry, which signs chunk maps. */
  readonly authorityKey: KeyObject
  readonly fallback: Fallback | undefined
  readonly clock: Clock
  readonly signal: AbortSignal
  /** Peers that were told of our want and have not answered. */
  readonly unanswered: () => number
  /** Resolves when every way of finding further peers has been tried. */
  readonly discovery: Promise<void>
  /** Our number for the blob on a participant's link. */
  readonly channel: (participant: Participant) => number
  /** Whether the registry's node is linked, and so will say what it knows. */
  readonly isRegistryLinked: () => boolean
  /** Whether a peer's word on this blob has turned out to be worth nothing before. */
  readonly isDoubted: (participant: Participant) => boolean
  /** `claimant`: who vouches for a map that is not signed. */
  readonly found: (signed: SignedChunkMap, claimant?: Participant) => void
  readonly failed: (error: Error) => void
  /** This peer gave a chunk map that the registry did not sign. */
  readonly lied: (participant: Participant) => void
}

/** Gets a blob's chunk map: the signature makes it irrelevant from whom. */
export class MapSearch {
  readonly #init: MapSearchInit
  /** Segments that have come and are signed, by the peer that was asked for them. */
  readonly #segments = new Map<Participant, Map<number, Uint8Array>>()
  /** What a peer says of a small blob while the registry has not answered. */
  #claim: { readonly participant: Participant; readonly signed: SignedChunkMap } | undefined
  #done = false
  #fallback: 'unasked' | 'asked' | 'answered'
  /** The registry has said that it does not have the blob: there is no point in a long search for others. */
  #unknown = false
  #discoveryDone = false
  /** Who has not answered by now will not. */
  #late = false
  /** Who promised a chunk map and has not sent it by now will not. */
  #overdue = false
  #unreachable: unknown
  readonly #stops: (() => void)[] = []

  constructor(init: MapSearchInit) {
    this.#init = init
    this.#fallback = init.fallback === undefined ? 'answered' : 'unasked'
    const over = () => {
      this.#discoveryDone = true
      this.#giveUpIfHopeless()
    }
    init.discovery.then(over, over)
    this.#stops.push(
      init.clock.after(FALLBACK_MAP_DELAY_MS, () => void this.#askFallback()),
      init.clock.after(ANSWER_TIMEOUT_MS, () => {
        this.#late = true
        this.#giveUpIfHopeless()
      }),
      init.clock.after(MAP_TIMEOUT_MS, () => {
        this.#overdue = true
        this.#giveUpIfHopeless()
      })
    )
  }

  /** Ends the search without a result. */
  stop(): void {
    this.#done = true
    for (const stop of this.#stops) stop()
  }

  /** A peer has said something about the blob. */
  onParticipant(participant: Participant): void {
    if (this.#done) return
    if (participant.shape !== undefined && !participant.distrusted && !this.#init.isDoubted(participant)) {
      const single = singleChunkMap(this.#init.digest, participant.shape.size)
      if (single !== undefined) this.#onClaim(participant, { map: single, segments: [] })
      else if (!this.#segments.has(participant)) {
        this.#segments.set(participant, new Map())
        participant.link.send({ type: 'askMap', channel: this.#init.channel(participant) })
      }
    }
    this.#giveUpIfHopeless()
  }

  /**
   * The size of a blob of one chunk is nowhere signed. The registry's word is taken at once, a peer's when the registry cannot
   * be asked or does not answer soon.
   */
  #onClaim(participant: Participant, signed: SignedChunkMap): void {
    if (participant.role === 'registry' || !this.#init.isRegistryLinked()) {
      this.#finish(signed, participant)
      return
    }
    if (this.#claim !== undefined) return
    this.#claim = { participant, signed }
    this.#stops.push(this.#init.clock.after(CLAIM_DELAY_MS, () => this.#finish(signed, participant)))
  }

  onMap(participant: Participant, frame: Extract<ControlFrame, { type: 'map' }>): void {
    const { shape } = participant
    const segments = this.#segments.get(participant)
    if (this.#done || segments === undefined || shape === undefined) return
    const total = segmentCount(shape)
    if (frame.total !== total || frame.number >= total || !this.#isSigned(frame.segment)) {
      this.#segments.delete(participant)
      this.#init.lied(participant)
      return
    }
    segments.set(frame.number, frame.segment)
    if (segments.size < total) return
    const ordered = Array.from({ length: total }, (_, number) => segments.get(number) ?? new Uint8Array())
    const signed = this.#verify({ size: shape.size, segments: ordered })
    if (signed === undefined) this.#init.lied(participant)
    else this.#finish(signed)
  }

  onGone(participant: Participant): void {
    this.#segments.delete(participant)
    if (this.#claim?.participant === participant) this.#claim = undefined
    this.#giveUpIfHopeless()
  }

  #isSigned(segment: Uint8Array): boolean {
    try {
      return verifySegment(segment, this.#init.authorityKey).digest === this.#init.digest
    } catch {
      return false
    }
  }

  #verify(offered: OfferedChunkMap): SignedChunkMap | undefined {
    const single = singleChunkMap(this.#init.digest, offered.size)
    if (single !== undefined) return { map: single, segments: [] }
    try {
      const map = assembleChunkMap(offered.segments.map((bytes) => verifySegment(bytes, this.#init.authorityKey)))
      return map.digest === this.#init.digest ? { map, segments: offered.segments } : undefined
    } catch {
      return undefined
    }
  }

  async #askFallback(): Promise<void> {
    const { fallback, digest, signal } = this.#init
    if (this.#done || this.#fallback !== 'unasked' || fallback === undefined) return
    this.#fallback = 'asked'
    try {
      const offered = await fallback.chunkMap(digest, { signal })
      this.#unknown = offered === undefined
      const signed = offered === undefined ? undefined : this.#verify(offered)
      if (signed !== undefined) this.#finish(signed)
    } catch (error) {
      this.#unreachable = error
    }
    this.#fallback = 'answered'
    this.#giveUpIfHopeless()
  }

  #finish(signed: SignedChunkMap, claimant?: Participant): void {
    if (this.#done || claimant?.link.closed === true) return
    this.stop()
    this.#init.found(signed, claimant)
  }

  #giveUpIfHopeless(): void {
    if (this.#done) return
    const searched = this.#discoveryDone || this.#unknown
    const nobodyElse = this.#late || (searched && this.#init.unanswered() === 0)
    if (this.#claim !== undefined || !nobodyElse || (this.#segments.size > 0 && !this.#overdue)) return
    void this.#askFallback()
    if (this.#fallback !== 'answered') return
    this.stop()
    const cause = this.#unreachable === undefined ? {} : { cause: this.#unreachable }
    this.#init.failed(new BlobNotFoundError(this.#init.digest, cause))
  }
}
