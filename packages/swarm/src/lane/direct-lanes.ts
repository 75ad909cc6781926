import { randomBytes } from 'node:crypto'
import type { Clock } from '../clock.ts'
import type { ChunkOutlet } from '../exchange/chunk-outlet.ts'
import { LANE_KEY_BYTES, type LaneEncryption, type LaneOffer } from '../exchange/frame.ts'
import type { Logger } from '../logger.ts'
import { announceable, concreteHosts, type ListenAddress, listenHosts, tcpMultiaddr } from '../node/listen-addresses.ts'
import { WireError } from '../wire.ts'
import { DirectReceiver } from './direct-receiver.ts'
import { DirectSender } from './direct-sender.ts'
import { FramePool } from './frame-pool.ts'
import { dialTargets } from './lane-address.ts'
import { createLaneCertificate } from './lane-certificate.ts'
import { LaneServer } from './lane-server.ts'

/** A lane that could not be dialled is dialled again after this time, then after twice that, and so on. */
export const MIN_REDIAL_MS = 250
export const MAX_REDIAL_MS = 60_000
/** A lane that lasted this long was a good one: the next dial does not wait. */
const GOOD_LANE_MS = 10_000
const READ_BUFFER_BYTES = 256 * 1024

/** What the direct lanes of a process are made of. */
export interface DirectLanesInit {
  /** Where peers dial; undefined for nowhere: then only this side dials. */
  readonly listen: ListenAddress | undefined
  /** @default 'tls' */
  readonly encryption: LaneEncryption
  readonly clock: Clock
  readonly logger: Logger
}

/** What a link is told of its direct lane. */
export interface DirectLaneHandler {
  /** Host under which libp2p reaches the peer, when it is known. */
  readonly host: string | undefined
  /** The peer can be sent chunks on this from now on, or not any more. */
  onOutlet(outlet: ChunkOutlet | undefined): void
  /** A lane to receive on is open: what takes its bytes. What that throws ends the lane and reaches `onClosed`. */
  onOpen(): (bytes: Uint8Array) => void
  /** What was under way on the lane that we received on is lost. */
  onClosed(error?: Error): void
}

/** The direct lane with one peer: one connection for each direction that can be dialled. */
export interface DirectLane {
  /** What the peer must know of our end. */
  readonly offer: LaneOffer
  /** The peer told us of its end. @throws WireError when it did so before: it would be dialled twice, for ever */
  onOffer(offer: LaneOffer): void
  close(): void
}

/** The direct lanes of a process: one certificate, one server, one read buffer for all. */
export class DirectLanes {
  readonly #init: DirectLanesInit
  readonly #certificate = createLaneCertificate()
  readonly #server: LaneServer
  readonly #frames = new FramePool()
  readonly #buffer = Buffer.allocUnsafeSlow(READ_BUFFER_BYTES)
  readonly #lanes = new Set<PeerLane>()
  #paused = false

  constructor(init: DirectLanesInit) {
    this.#init = init
    this.#server = new LaneServer({ ...init, certificate: this.#certificate })
  }

  /** @throws LaneListenError */
  async start(): Promise<void> {
    const { listen } = this.#init
    if (listen !== undefined) {
      await this.#server.listen(listenHosts(listen).map((host) => ({ host, port: listen.port })))
    }
  }

  async stop(): Promise<void> {
    for (const lane of this.#lanes) lane.close()
    await this.#server.stop()
  }

  /** Multiaddrs to dial. */
  get addresses(): string[] {
    const bound = this.#server.addresses.flatMap(({ address, port }) => {
      return concreteHosts(address).map((host) => tcpMultiaddr(host, port))
    })
    return announceable(bound)
  }

  /** Prepares a lane with a peer that has just been linked. */
  open(handler: DirectLaneHandler): DirectLane {
    const lane: PeerLane = new PeerLane({
      ...this.#init,
      handler,
      certificate: this.#certificate,
      server: this.#server,
      frames: this.#frames,
      buffer: this.#buffer,
      addresses: this.addresses,
      isPaused: () => this.#paused,
      onClosed: () => this.#lanes.delete(lane)
    })
    this.#lanes.add(lane)
    return lane
  }

  /** Connections to our end that have not proved who they are. */
  get unproven(): number {
    return this.#server.unproven
  }

  /** Whether nothing is received for now. */
  get paused(): boolean {
    return this.#paused
  }

  /** Lanes that are open, by direction. */
  get counts(): { readonly receiving: number; readonly sending: number } {
    let [receiving, sending] = [0, 0]
    for (const lane of this.#lanes) {
      receiving += lane.isReceiving ? 1 : 0
      sending += lane.isSending ? 1 : 0
    }
    return { receiving, sending }
  }

  /** Stops or goes on receiving, on all lanes: what has come must be written first. */
  pause(paused: boolean): void {
    if (paused === this.#paused) return
    this.#paused = paused
    for (const lane of this.#lanes) lane.pause(paused)
  }
}

interface PeerLaneInit extends Omit<DirectLanesInit, 'listen'> {
  readonly handler: DirectLaneHandler
  readonly certificate: ReturnType<typeof createLaneCertificate>
  readonly server: LaneServer
  readonly frames: FramePool
  readonly buffer: Uint8Array
  readonly addresses: readonly string[]
  readonly isPaused: () => boolean
  readonly onClosed: () => void
}

class PeerLane implements DirectLane {
  readonly offer: LaneOffer
  readonly #init: PeerLaneInit
  readonly #controller = new AbortController()
  #unexpect: () => void = () => undefined
  #offered = false
  #sender: DirectSender | undefined
  #receiver: DirectReceiver | undefined
  #redialMs = MIN_REDIAL_MS
  #stopRedial: () => void = () => undefined

  constructor(init: PeerLaneInit) {
    this.#init = init
    this.offer = {
      encryption: init.encryption,
      fingerprint: init.certificate.fingerprint,
      key: randomBytes(LANE_KEY_BYTES),
      addresses: init.addresses
    }
  }

  onOffer(theirs: LaneOffer): void {
    if (this.#offered) throw new WireError('the peer offers its lane twice')
    this.#offered = true
    const { server, encryption } = this.#init
    const both: LaneEncryption = encryption === 'none' && theirs.encryption === 'none' ? 'none' : 'tls'
    this.#unexpect = server.expect({
      key: this.offer.key,
      fingerprint: theirs.fingerprint,
      allowsPlain: both === 'none',
      accept: (socket) => this.#onDialled(socket)
    })
    const targets = dialTargets(theirs.addresses, this.#init.handler.host)
    if (targets.length > 0) void this.#dial(theirs, both, targets)
  }

  get isReceiving(): boolean {
    return this.#receiver !== undefined
  }

  get isSending(): boolean {
    return this.#sender !== undefined
  }

  pause(paused: boolean): void {
    this.#receiver?.pause(paused)
  }

  close(): void {
    if (this.#controller.signal.aborted) return
    this.#controller.abort()
    this.#stopRedial()
    this.#unexpect()
    this.#sender?.close()
    this.#receiver?.close()
    this.#init.onClosed()
  }

  #onDialled(socket: ConstructorParameters<typeof DirectSender>[0]['socket']): void {
    if (this.#controller.signal.aborted) {
      socket.destroy()
      return
    }
    const before = this.#sender
    const { frames, handler } = this.#init
    const sender = new DirectSender({
      socket,
      frames,
      onClose: (closed) => {
        if (this.#sender !== closed) return
        this.#sender = undefined
        handler.onOutlet(undefined)
      }
    })
    this.#sender = sender
    // The peer has lost its end of the one before.
    before?.close()
    handler.onOutlet(sender)
  }

  async #dial(
    theirs: LaneOffer,
    encryption: LaneEncryption,
    targets: readonly { readonly host: string; readonly port: number }[]
  ): Promise<void> {
    const { certificate, buffer, logger, clock, handler, isPaused } = this.#init
    const { signal } = this.#controller
    const again = () => {
      if (signal.aborted) return
      this.#stopRedial = clock.after(this.#redialMs, () => void this.#dial(theirs, encryption, targets))
      this.#redialMs = Math.min(MAX_REDIAL_MS, this.#redialMs * 2)
    }
    for (const target of targets) {
      const openedAt = clock.now()
      let take: (bytes: Uint8Array) => void = () => {
        throw new WireError('chunks came on a lane before it was open')
      }
      try {
        const receiver = await DirectReceiver.dial(
          {
            ...target,
            encryption,
            certificate,
            offer: theirs,
            buffer,
            onData: (bytes) => take(bytes),
            onClose: (error) => {
              this.#receiver = undefined
              if (signal.aborted) return
              if (clock.now() - openedAt >= GOOD_LANE_MS) this.#redialMs = MIN_REDIAL_MS
              logger.debug({ error, target }, 'a direct lane was lost')
              handler.onClosed(error)
              again()
            }
          },
          { signal }
        )
        if (signal.aborted) {
          receiver.close()
          return
        }
        take = handler.onOpen()
        this.#receiver = receiver
        receiver.pause(isPaused())
        return
      } catch (error) {
        if (signal.aborted) return
        logger.debug({ error, target }, 'cannot dial a peer’s lane')
      }
    }
    again()
  }
}
