import type { LinkedPeer } from '../blob/exchange.ts'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import { KnownPeers } from './known-peers.ts'
import { chooseNeighbours, type NeighbourLink, TARGET_NEIGHBOURS } from './neighbours.ts'

/** How often links are looked at. */
export const SWEEP_MS = 5_000
/** Dials under way at once. */
export const MAX_DIALS = 16
/** A link that ends sooner after its dial was no good one. */
const SHORT_LINK_MS = 5_000

/** What a neighbourhood needs of its node. */
export interface NeighbourhoodInit {
  /** Our own peer id, and the registry's, which others see to. */
  readonly except: readonly string[]
  /** Our own zone. @default '' */
  readonly zone?: () => string
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  /** The links as they are. */
  readonly peers: () => readonly Pick<LinkedPeer, 'peerId' | 'role' | 'zone' | 'bytesReceived' | 'bytesSent'>[]
  /** Whether a peer is linked, being linked, or banned. */
  readonly isTaken: (peerId: string) => boolean
  /** Whether there is a certificate to show. */
  readonly isMember: () => boolean
  /** Links with a peer. @throws when that fails */
  readonly dial: (peer: PeerAddress) => Promise<void>
  /** Ends the link with a peer. */
  readonly drop: (peerId: string) => void
}

interface Tracked {
  since: number
  bytes: number
  lastUsefulAt: number | undefined
}

/** Keeps an agent's links as {@link chooseNeighbours} says. */
export class Neighbourhood {
  readonly #init: NeighbourhoodInit
  readonly #known = new KnownPeers()
  readonly #tracked = new Map<string, Tracked>()
  readonly #dials = new Map<string, Promise<void>>()
  /** Peers that are dialled, or that were and have not shown their certificates yet. */
  readonly #linking = new Set<string>()
  #scheduled = false
  #lastTurnoverAt: number
  #stopSweep: () => void = () => undefined
  #stopped = false

  constructor(init: NeighbourhoodInit) {
    this.#init = init
    this.#lastTurnoverAt = init.clock.now()
  }

  /** Members that are remembered. */
  get known(): number {
    return this.#known.size
  }

  /** Dials under way. */
  get dials(): number {
    return this.#dials.size
  }

  start(): void {
    this.#stopSweep = this.#init.clock.every(SWEEP_MS, () => this.#choose())
  }

  stop(): void {
    this.#stopped = true
    this.#stopSweep()
  }

  /** Members, to be dialled when there is room. */
  learn(peers: readonly PeerAddress[]): void {
    const now = this.#init.clock.now()
    for (const peer of peers) if (this.#isOther(peer)) this.#known.learn(peer, now)
    this.#chooseSoon()
  }

  /**
   * Members that have, or fetch, a blob that is wanted now. Resolves when those that are dialled for it at once are
   * linked, or cannot be.
   *
   * @param options `scarce`: no linked peer has the blob
   */
  async want(peers: readonly PeerAddress[], options?: { scarce?: boolean }): Promise<void> {
    const now = this.#init.clock.now()
    for (const peer of peers) if (this.#isOther(peer)) this.#known.want(peer, options?.scarce === true, now)
    this.#choose()
    await Promise.all(peers.map(({ peerId }) => this.#dials.get(peerId)))
  }

  /** Whether a link with a peer to which there is a connection is welcome. */
  welcomes(peerId: string): boolean {
    return this.#linking.has(peerId) || this.#agents + this.#linking.size < TARGET_NEIGHBOURS
  }

  get #agents(): number {
    return this.#init.peers().filter(({ role }) => role === 'agent').length
  }

  /** A link is ready; `zone`: where the peer is, by its certificate. */
  onLink(peerId: string, addresses: readonly string[], zone?: string): void {
    const now = this.#init.clock.now()
    if (!this.#isOther({ peerId })) return
    this.#linking.delete(peerId)
    this.#known.learn({ peerId, addresses }, now)
    this.#known.reached(peerId, zone)
    this.#tracked.set(peerId, { since: now, bytes: 0, lastUsefulAt: undefined })
    this.#chooseSoon()
  }

  onUnlink(peerId: string): void {
    const now = this.#init.clock.now()
    const tracked = this.#tracked.get(peerId)
    this.#tracked.delete(peerId)
    this.#linking.delete(peerId)
    if (tracked === undefined || now - tracked.since < SHORT_LINK_MS) this.#known.failed(peerId, now)
    else this.#known.rest(peerId, now)
    this.#chooseSoon()
  }

  /** One choice for all that happens at once, and none in the middle of another. */
  #chooseSoon(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    queueMicrotask(() => {
      this.#scheduled = false
      this.#choose()
    })
  }

  /** Dials and drops what is due. */
  #choose(): void {
    if (this.#stopped || !this.#init.isMember()) return
    const { clock, random, isTaken, drop, logger } = this.#init
    const now = clock.now()
    const choice = chooseNeighbours({
      zone: this.#init.zone?.() ?? '',
      links: this.#links(now),
      known: this.#known.candidates(now, (peerId) => this.#linking.has(peerId) || isTaken(peerId)),
      dialling: this.#linking.size,
      maxDials: MAX_DIALS - this.#dials.size,
      lastTurnoverAt: this.#lastTurnoverAt,
      now,
      random
    })
    if (choice.turnover) this.#lastTurnoverAt = now
    if (choice.drop.length + choice.dial.length > 0) logger.debug({ ...choice }, 'neighbours change')
    for (const peerId of choice.drop) {
      this.#known.rest(peerId, now)
      drop(peerId)
    }
    for (const peerId of choice.dial) this.#dial(peerId)
  }

  #links(now: number): NeighbourLink[] {
    return this.#init.peers().map(({ peerId, role, zone, bytesReceived, bytesSent }) => {
      const bytes = bytesReceived + bytesSent
      const tracked = this.#tracked.get(peerId) ?? { since: now, bytes: 0, lastUsefulAt: undefined }
      this.#tracked.set(peerId, tracked)
      if (bytes !== tracked.bytes) {
        tracked.bytes = bytes
        tracked.lastUsefulAt = now
      }
      const { since, lastUsefulAt } = tracked
      return { peerId, role, zone, since, lastUsefulAt, wanted: this.#known.isWanted(peerId, now) }
    })
  }

  #dial(peerId: string): void {
    const { clock, dial, logger, isTaken } = this.#init
    this.#linking.add(peerId)
    const dialled = dial({ peerId, addresses: this.#known.addressesOf(peerId) })
      .then(() => {
        if (this.#tracked.has(peerId) || !isTaken(peerId)) this.#linking.delete(peerId)
      })
      .catch((error: unknown) => {
        this.#linking.delete(peerId)
        this.#known.failed(peerId, clock.now())
        logger.debug({ error, peer: peerId }, 'cannot connect to a peer')
      })
      .finally(() => {
        this.#dials.delete(peerId)
        this.#chooseSoon()
      })
    this.#dials.set(peerId, dialled)
  }

  #isOther({ peerId }: { peerId: string }): boolean {
    return !this.#init.except.includes(peerId)
  }
}
