import type { Bitfield } from '@shoal/content'
import type { Link } from '../exchange/link.ts'
import type { Role } from '../membership/certificate.ts'
import type { PeerPlace } from '../peers/peer-links.ts'
import { PeerPace } from './peer-pace.ts'

/** A peer that did not answer is not asked again within this time, unless it speaks. */
export const SHUNNED_MS = 5_000

/** One peer's part in the swarm of one blob, as we know it. */
export class Participant {
  readonly link: Link
  readonly role: Role
  /** Where it is, as its certificate says. */
  readonly zone: string
  /** Whether it is in our own zone. */
  readonly near: boolean
  readonly pace = new PeerPace()
  /** The peer's own number for the blob. */
  channel: number
  /** What the peer said the blob's size and chunk size are. */
  shape: { readonly size: number; readonly chunkSize: number } | undefined
  /** What the peer holds; undefined as long as it does not know the chunk map itself. */
  have: Bitfield | undefined
  /** The peer asked to be told who has the blob. */
  wants = false
  /** The peer has neither the blob nor an interest in it. */
  absent = false
  /** Chunks asked of it by number, with the time of asking in ms. */
  readonly asked = new Map<number, number>()
  /** Chunks of its choice that it was asked for and has not begun to send. */
  anyOutstanding = 0
  anyAskedAt = 0
  /** It has sent everything once: not asked for any before this time. */
  exhaustedUntil = 0
  /** When it was found not to answer; undefined as long as it does. */
  shunnedAt: number | undefined
  /** It was busy, or refused: not asked for anything before this time. */
  pausedUntil = 0
  /** Chunks that it would not send for now, and until when. */
  readonly refusedUntil = new Map<number, number>()
  /** When its latest chunk was there whole. */
  lastChunkAt = 0
  /** It has told us of others. */
  toldPeers = false
  /** It sent a wrong chunk of this blob. */
  distrusted = false

  constructor(link: Link, place: PeerPlace, channel: number) {
    this.link = link
    this.role = place.role
    this.zone = place.zone
    this.near = place.near
    this.channel = channel
  }

  get peerId(): string {
    return this.link.peerId
  }

  /** Whether it is to be let be: it did not answer and has not spoken since. */
  isShunned(now: number): boolean {
    if (this.shunnedAt === undefined) return false
    if (this.link.heardAt > this.shunnedAt || now - this.shunnedAt >= SHUNNED_MS) this.shunnedAt = undefined
    return this.shunnedAt !== undefined
  }

  get isSeed(): boolean {
    return this.have?.complete === true
  }

  /** Since when nothing has come of what it was asked for by number; undefined when it owes nothing. */
  get owesSince(): number | undefined {
    // In the order of asking.
    const [oldest] = this.asked.values()
    return oldest === undefined ? undefined : Math.max(oldest, this.lastChunkAt)
  }

  /** Chunks that it has been asked for and that have not come. */
  get outstanding(): number {
    return this.asked.size + this.anyOutstanding
  }
}
