import type { Connection, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Exchange } from '../blob/exchange.ts'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import { Libp2pLane } from '../exchange/libp2p-lane.ts'
import type { Logger } from '../logger.ts'

/** The exchange protocol over a libp2p stream. */
export const EXCHANGE_PROTOCOL = '/shoal/exchange/1.0.0'
/** Peers that an agent looks for by itself; it answers more. */
export const TARGET_LINKS = 24
/** A peer that has shown no certificate this long after it connected is disconnected. */
export const STRANGER_TIMEOUT_MS = 15_000
const DIAL_TIMEOUT_MS = 5_000
const MAX_DIALS = 16
const SWEEP_MS = 5_000

/** What a connector needs. */
export interface ConnectorInit {
  readonly libp2p: Libp2p
  readonly exchange: Exchange
  readonly clock: Clock
  readonly logger: Logger
  readonly isBanned: (peerId: string) => boolean
  /** Whether we have a certificate to show. */
  readonly isMember: () => boolean
}

/** Turns addresses into links: dials peers, opens the exchange on every connection, and drops strangers. */
export class Connector {
  readonly #init: ConnectorInit
  readonly #dials = new Map<string, Promise<void>>()
  readonly #controller = new AbortController()
  #stopSweep: () => void = () => undefined

  constructor(init: ConnectorInit) {
    this.#init = init
  }

  async start(): Promise<void> {
    const { libp2p, exchange, clock } = this.#init
    await libp2p.handle(
      EXCHANGE_PROTOCOL,
      (stream, connection) => {
        const accepted = exchange.accept(new Libp2pLane(stream), connection.remotePeer.toString(), false)
        if (!accepted) stream.abort(new Error('no exchange with this peer now'))
      },
      { maxInboundStreams: 2, maxOutboundStreams: 2 }
    )
    // The DHT dials too; who dials opens the exchange, so that both sides show their certificates.
    libp2p.addEventListener('connection:open', (event: CustomEvent<Connection>) => {
      if (event.detail.direction === 'outbound') void this.#open(event.detail)
    })
    this.#stopSweep = clock.every(SWEEP_MS, () => this.#dropStrangers())
  }

  stop(): void {
    this.#stopSweep()
    this.#controller.abort(new Error('this node is stopping'))
  }

  /** Connects to peers for which there is room. Resolves when each is linked, or has failed. */
  async connect(peers: readonly PeerAddress[], options?: { beyondTarget?: boolean }): Promise<void> {
    const room = options?.beyondTarget === true ? MAX_DIALS : TARGET_LINKS - this.#init.exchange.peers.length
    const wanted = peers.filter(({ peerId }) => this.#isWanted(peerId)).slice(0, Math.max(0, room))
    await Promise.all(wanted.map((peer) => this.#dialOnce(peer)))
  }

  #isWanted(peerId: string): boolean {
    const { exchange, isBanned, libp2p, isMember } = this.#init
    return isMember() && peerId !== libp2p.peerId.toString() && !exchange.hasLink(peerId) && !isBanned(peerId)
  }

  #dialOnce(peer: PeerAddress): Promise<void> {
    const known = this.#dials.get(peer.peerId)
    if (known !== undefined) return known
    if (this.#dials.size >= MAX_DIALS) return Promise.resolve()
    const dial = this.#dial(peer)
      .catch((error: unknown) => this.#init.logger.debug({ error, peer: peer.peerId }, 'cannot connect to a peer'))
      .finally(() => this.#dials.delete(peer.peerId))
    this.#dials.set(peer.peerId, dial)
    return dial
  }

  async #dial(peer: PeerAddress): Promise<void> {
    const signal = AbortSignal.any([this.#controller.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    const addresses = peer.addresses.map((address) => withPeerId(address, peer.peerId))
    const target = addresses.length > 0 ? addresses : peerIdFromString(peer.peerId)
    await this.#open(await this.#init.libp2p.dial(target, { signal }))
  }

  /** Opens the exchange on a connection that we dialled, unless the peer has a link already. */
  async #open(connection: Connection): Promise<void> {
    const { exchange, logger } = this.#init
    const peerId = connection.remotePeer.toString()
    if (!this.#isWanted(peerId) || connection.status !== 'open') return
    try {
      const signal = AbortSignal.any([this.#controller.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
      const stream = await connection.newStream(EXCHANGE_PROTOCOL, { signal })
      if (!exchange.accept(new Libp2pLane(stream), peerId, true)) stream.abort(new Error('there is a link already'))
    } catch (error) {
      logger.debug({ error, peer: peerId }, 'cannot open the exchange with a peer')
    }
  }

  /** Opens the exchange on every connection that has none, once we have become a member. */
  linkAll(): void {
    for (const connection of this.#init.libp2p.getConnections()) {
      if (connection.direction === 'outbound') void this.#open(connection)
    }
  }

  disconnect(peerId: string): void {
    for (const connection of this.#init.libp2p.getConnections(peerIdFromString(peerId))) {
      connection.abort(new Error('this peer is not wanted here'))
    }
  }

  #dropStrangers(): void {
    for (const connection of this.#init.libp2p.getConnections()) {
      const linked = this.#init.exchange.hasLink(connection.remotePeer.toString())
      const age = Date.now() - connection.timeline.open
      if (!linked && this.#init.isMember() && age > STRANGER_TIMEOUT_MS) {
        connection.abort(new Error('the peer showed no certificate'))
      }
    }
  }
}

function withPeerId(address: string, peerId: string) {
  return multiaddr(address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`)
}
