import type { ExchangeLoad } from '../blob/exchange-load.ts'
import type { Clock } from '../clock.ts'
import type { Bans } from '../exchange/bans.ts'
import type { ChunkHeader } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { Lane } from '../exchange/lane.ts'
import { type ExchangeFrame, LaneLink, type Link, type LinkInit } from '../exchange/link.ts'
import type { DirectLanes } from '../lane/direct-lanes.ts'
import type { Logger } from '../logger.ts'
import { type Certificate, CertificateError, type Role } from '../membership/certificate.ts'
import type { RateLimiter } from '../rate-limiter.ts'
import type { SwarmMetrics } from '../swarm-metrics.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import { WireError } from '../wire.ts'
import { LinkState } from './link-state.ts'
import { Links } from './links.ts'
import { UploadSlots } from './upload-slots.ts'
import { ZoneBytes, type ZoneSide } from './zone-bytes.ts'

/** Peers that a process keeps links with. */
export const MAX_LINKS = 4_096
/** Links on which the peer has not shown its certificate yet; a further one is refused. */
export const MAX_UNPROVEN_LINKS = 256
/** The same from one host: agents may share an address, but no address may have all the places. */
export const MAX_UNPROVEN_LINKS_PER_HOST = 128
/** A peer that has not said a good hello within this time is dropped. */
export const HELLO_TIMEOUT_MS = 5_000
/** A peer that owes us something and has been silent for this long is asked whether it is there. */
export const PING_AFTER_MS = 750
/** One that has not said anything for this long is counted on no more, as long as it stays silent. */
export const SILENT_AFTER_MS = 1_750
/** One that has not said anything for this long is gone. */
export const DEAD_AFTER_MS = 6_000
/** A peer that owes us nothing is asked whether it is there when it has said nothing for this long. */
export const KEEP_ALIVE_MS = 15_000
const WATCH_MS = 250
/** A watch that comes so much too late tells of this process, not of its peers. */
const LATE_WATCH_MS = 250

/** What links need of their node. */
export interface PeerLinksInit {
  /** Our own peer id. */
  readonly peerId: string
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: SwarmMetrics
  readonly transfer: TransferMetrics
  readonly uploadLimiter: RateLimiter
  readonly bans: Bans
  /** Name and version for the peer's log. */
  readonly agent: string
  /** Our certificate; undefined before we were admitted. */
  readonly certificate: () => Uint8Array | undefined
  readonly verify: (certificate: Uint8Array, peerId: string) => Certificate
  /** The zone that our own certificate names. @default '' */
  readonly zone?: () => string
  /** Whether a certificate that was good is so no more. */
  readonly isExpired: (certificate: Certificate) => boolean
  /** Direct lanes; undefined for none: all goes over libp2p. */
  readonly lanes: DirectLanes | undefined
  /** Host under which libp2p reaches a peer. */
  readonly hostOf: (peerId: string) => string | undefined
  /** A peer was admitted to a link, or its link ended. */
  readonly onLink: (peerId: string, certificate: Certificate) => void
  readonly onUnlink: (peerId: string, error?: Error) => void
  /** A peer was banned: whatever connects us to it is to be closed. */
  readonly onBan: (peerId: string) => void
  /** Makes a link over a lane. @default LaneLink */
  readonly createLink?: (init: LinkInit) => Link
}

/** Who a peer is, by its certificate. */
export interface PeerPlace {
  readonly role: Role
  readonly zone: string
  /** Whether its zone is ours. */
  readonly near: boolean
}

/** Frames about blobs: all but those that the links deal with themselves. */
export type BlobFrame = Exclude<ExchangeFrame, { type: 'lane' | 'ping' | 'pong' }>

/** Whom links tell of what comes over them. */
export interface PeerLinksHandler {
  /** A peer has shown a good certificate. */
  onReady(state: LinkState): void
  onFrame(state: LinkState, frame: BlobFrame): void
  onPiece(state: LinkState, header: ChunkHeader, length: number): PieceSink | undefined
  /** What was on its way over the direct lane is lost. */
  onLaneLost(state: LinkState): void
  /** The link has ended. */
  onClosed(state: LinkState): void
  /** Whether a peer was asked for something that has not come. */
  isAwaited(state: LinkState): boolean
  /** A peer does not answer: what it was asked for is better asked elsewhere. */
  onSilent(state: LinkState): void
}

/** The links of a node: makes them, checks who is at the other end, gives them direct lanes and notices when they die. */
export class PeerLinks {
  /** Payload by zone. */
  readonly zoneBytes = new ZoneBytes()
  readonly #init: PeerLinksInit
  readonly #handler: PeerLinksHandler
  readonly #links: Links
  readonly #slots: UploadSlots
  #watchedAt = 0
  #stopped = false
  #stopWatch: () => void = () => undefined

  constructor(init: PeerLinksInit, handler: PeerLinksHandler) {
    this.#init = init
    this.#handler = handler
    this.#links = new Links(init.peerId)
    this.#slots = new UploadSlots(init.clock)
  }

  get size(): number {
    return this.#links.size
  }

  /** What waits on the links at this moment. */
  get load(): Pick<ExchangeLoad, 'queuedUploads' | 'waitingPeers' | 'queuedBytes' | 'channels' | 'unprovenLinks'> {
    const { ready, unproven, all } = this.#links
    return {
      queuedUploads: ready.reduce((sum, { uploads }) => sum + uploads.queued, 0),
      waitingPeers: this.#slots.waiting,
      queuedBytes: all.reduce((sum, { link }) => sum + link.queuedBytes, 0),
      channels: ready.reduce((sum, { channels }) => sum + channels, 0),
      unprovenLinks: unproven
    }
  }

  /** Links whose peers have shown their certificates. */
  get ready(): readonly LinkState[] {
    return this.#links.ready
  }

  /** The ready link with a peer. */
  get(peerId: string): LinkState | undefined {
    return this.#links.get(peerId)
  }

  #sideOf({ certificate }: LinkState): ZoneSide {
    return certificate?.zone === (this.#init.zone?.() ?? '') ? 'same' : 'other'
  }

  /** Who a linked peer is, by its certificate. */
  placeOf(peerId: string): PeerPlace {
    const { role = 'agent', zone = '' } = this.get(peerId)?.certificate ?? {}
    return { role, zone, near: zone === (this.#init.zone?.() ?? '') }
  }

  /** Whether there is a link with a peer, or one is being made. */
  has(peerId: string): boolean {
    return this.#links.with(peerId).length > 0
  }

  start(): void {
    this.#stopped = false
    this.#watchedAt = this.#init.clock.now()
    this.#stopWatch = this.#init.clock.every(WATCH_MS, () => this.#watch())
  }

  stop(): void {
    this.#stopped = true
    this.#stopWatch()
    for (const { link } of this.#links.all) link.close()
  }

  /**
   * Takes a lane to a peer into use: certificates first. A link that is ready is replaced only once the peer has said a
   * good hello on the new lane too.
   *
   * @param dialled whether this side opened the lane
   * @returns false when we have stopped, the peer is banned, is linked already and we dialled it, or there are too many
   */
  accept(lane: Lane, peerId: string, dialled: boolean): boolean {
    const { certificate: own, bans, clock, verify, agent, createLink } = this.#init
    const certificate = own()
    if (this.#stopped || certificate === undefined || bans.has(peerId)) return false
    if (dialled && this.#links.get(peerId) !== undefined) return false
    if (this.#links.ready.length >= MAX_LINKS || this.#links.unproven >= MAX_UNPROVEN_LINKS) return false
    const host = this.#init.hostOf(peerId)
    if (!dialled && host !== undefined && this.#links.unprovenFrom(host) >= MAX_UNPROVEN_LINKS_PER_HOST) return false
    const linkInit: LinkInit = {
      lane,
      peerId,
      certificate,
      agent,
      now: () => clock.now(),
      verify: (bytes) => verify(bytes, peerId),
      handler: {
        onReady: (shown) => this.#onReady(state, shown),
        onFrame: (frame) => this.#onFrame(state, frame),
        onPiece: (header, length) => {
          state.bytesReceived += length
          this.zoneBytes.received(this.#sideOf(state), length)
          return this.#handler.onPiece(state, header, length)
        },
        onClose: (error) => this.#onClose(state, error)
      }
    }
    const link = createLink?.(linkInit) ?? new LaneLink(linkInit)
    const state = new LinkState(
      link,
      dialled,
      {
        link,
        slots: this.#slots,
        limiter: this.#init.uploadLimiter,
        logger: this.#init.logger,
        transfer: {
          ...this.#init.transfer,
          sent: (to, kind, bytes) => {
            state.bytesSent += bytes
            this.zoneBytes.sent(this.#sideOf(state), bytes)
            this.#init.transfer.sent(to, kind, bytes)
          }
        }
      },
      () => clock.now()
    )
    this.#links.add(state, dialled ? undefined : host)
    clock.after(HELLO_TIMEOUT_MS, () => {
      if (state.certificate === undefined) link.close(new CertificateError('the peer showed no certificate in time'))
    })
    link.start()
    return true
  }

  /** Ends the link with a peer, if there is one. */
  unlink(peerId: string): void {
    for (const { link } of this.#links.with(peerId)) link.close()
  }

  /** Keeps a peer out, and says so. */
  ban(peerId: string, reason: string): void {
    const { bans, metrics, logger, onBan } = this.#init
    if (bans.has(peerId)) return
    bans.add(peerId)
    metrics.banned(reason)
    logger.warn({ peer: peerId, reason }, 'banned a peer')
    this.unlink(peerId)
    onBan(peerId)
  }

  #onReady(state: LinkState, certificate: Certificate): void {
    state.certificate = certificate
    state.readyAt = this.#init.clock.now()
    const spare = this.#links.promote(state)
    spare?.link.close()
    if (spare === state) return
    this.#openLane(state)
    this.#init.onLink(state.link.peerId, certificate)
    this.#handler.onReady(state)
  }

  /** Prepares the direct lane with a peer and tells it how to dial ours. */
  #openLane(state: LinkState): void {
    const { lanes, hostOf } = this.#init
    if (lanes === undefined) return
    const { link } = state
    state.lane = lanes.open({
      host: hostOf(link.peerId),
      onOutlet: (outlet) => link.useDirect(outlet),
      onOpen: () => link.receiveDirect(),
      onClosed: (error) => {
        link.endDirect()
        if (error instanceof WireError) link.close(error)
        else this.#handler.onLaneLost(state)
      }
    })
    link.send({ type: 'lane', offer: state.lane.offer })
  }

  #onFrame(state: LinkState, frame: ExchangeFrame): void {
    if (this.#links.get(state.link.peerId) !== state) return
    switch (frame.type) {
      case 'lane':
        state.lane?.onOffer(frame.offer)
        break
      case 'ping':
        state.link.send({ type: 'pong' })
        break
      case 'pong':
        break
      default:
        this.#handler.onFrame(state, frame)
    }
  }

  #onClose(state: LinkState, error?: Error): void {
    const { peerId } = state.link
    this.#links.remove(state)
    state.lane?.close()
    state.uploads.close()
    this.#handler.onClosed(state)
    if (error instanceof WireError) this.#init.metrics.rejected('protocol')
    if (this.#links.get(peerId) === undefined) this.#init.onUnlink(peerId, error)
  }

  /** Notices peers that are gone: TCP alone takes minutes for that. */
  #watch(): void {
    const now = this.#init.clock.now()
    const isLate = now - this.#watchedAt > WATCH_MS + LATE_WATCH_MS
    this.#watchedAt = now
    for (const state of this.#links.ready) {
      const { link, certificate } = state
      // The peer has a newer one by now, or is no member any more: a new link will tell.
      if (certificate !== undefined && this.#init.isExpired(certificate)) {
        link.close(new CertificateError('the peer’s certificate has expired'))
        continue
      }
      const isPinged = state.pingedAt > link.heardAt
      // What has come while this process stood still has not been read yet.
      if (isLate || this.#init.lanes?.paused === true) state.watchedAt = now
      else if (isPinged || this.#handler.isAwaited(state)) this.#watchSilent(state, now)
      else {
        state.watchedAt = now
        if (now - link.heardAt >= KEEP_ALIVE_MS) this.#ping(state, now)
      }
    }
  }

  #watchSilent(state: LinkState, now: number): void {
    const { link } = state
    const silentMs = now - Math.max(link.heardAt, state.watchedAt)
    if (silentMs >= DEAD_AFTER_MS) link.close(new PeerSilentError(link.peerId))
    else if (silentMs >= SILENT_AFTER_MS) this.#handler.onSilent(state)
    else if (silentMs >= PING_AFTER_MS && state.pingedAt <= link.heardAt) this.#ping(state, now)
  }

  #ping(state: LinkState, now: number): void {
    state.pingedAt = now
    state.link.send({ type: 'ping' })
  }
}

/** A peer that was asked for something did not say anything for too long. */
export class PeerSilentError extends Error {
  readonly code = 'PEER_SILENT'

  constructor(peerId: string) {
    super(`${peerId} said nothing for ${DEAD_AFTER_MS / 1000} s although it was asked whether it is there`)
    this.name = 'PeerSilentError'
  }
}
