import type { Connection, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import type { Exchange } from '../blob/exchange.ts'
import type { Clock } from '../clock.ts'
import type { PeerAddress } from '../exchange/frame.ts'
import { Libp2pLane } from '../exchange/libp2p-lane.ts'
import type { Logger } from '../logger.ts'
import { hostOf } from './listen-addresses.ts'
import { Strangers } from './strangers.ts'

/** The exchange protocol over a libp2p stream. */
export const EXCHANGE_PROTOCOL = '/shoal/exchange/1.0.0'
const DIAL_TIMEOUT_MS = 5_000
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
  /** Whether a link with a peer to which there is a connection is welcome. */
  readonly welcomes: (peerId: string) => boolean
}

/** Turns addresses into links: dials peers, opens the exchange on every connection, and drops strangers. */
export class Connector {
  readonly #init: ConnectorInit
  /** Peers with which an exchange is being opened. */
  readonly #opening = new Map<string, Promise<void>>()
  readonly #strangers = new Strangers<Connection>()
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
    // The DHT dials too; who dials opens the exchange, so that both sides show their certificates. Without an exchange the
    // connection lasts long enough for the DHT's question.
    libp2p.addEventListener('connection:open', (event: CustomEvent<Connection>) => {
      this.#watch(event.detail)
      this.#openIfWelcome(event.detail)
    })
    libp2p.addEventListener('connection:close', (event: CustomEvent<Connection>) => {
      this.#strangers.remove(event.detail)
    })
    this.#stopSweep = clock.every(SWEEP_MS, () => this.#dropStrangers())
  }

  stop(): void {
    this.#stopSweep()
    this.#controller.abort(new Error('this node is stopping'))
  }

  /**
   * Connects to a peer and opens the exchange with it; whether it is a member shows after that.
   *
   * @throws when it cannot be reached, or does not speak the exchange
   */
  async dial(peer: PeerAddress): Promise<void> {
    const signal = AbortSignal.any([this.#controller.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    const addresses = peer.addresses.map((address) => withPeerId(address, peer.peerId))
    const target = addresses.length > 0 ? addresses : peerIdFromString(peer.peerId)
    await this.#open(await this.#init.libp2p.dial(target, { signal }))
  }

  /** Opens the exchange on every connection that has none and is welcome, once we have become a member. */
  linkAll(): void {
    for (const connection of this.#init.libp2p.getConnections()) this.#openIfWelcome(connection)
  }

  /** Whether a peer needs no dial, or must not have one. */
  isTaken(peerId: string): boolean {
    const { exchange, isBanned, libp2p } = this.#init
    return peerId === libp2p.peerId.toString() || exchange.hasLink(peerId) || isBanned(peerId)
  }

  #openIfWelcome(connection: Connection): void {
    const peerId = connection.remotePeer.toString()
    if (connection.direction !== 'outbound' || !this.#init.welcomes(peerId)) return
    this.#open(connection).catch((error: unknown) =>
      this.#init.logger.debug({ error, peer: peerId }, 'cannot open the exchange with a peer')
    )
  }

  /** Opens the exchange on a connection that we dialled, unless the peer has a link already. */
  #open(connection: Connection): Promise<void> {
    const peerId = connection.remotePeer.toString()
    const opening = this.#opening.get(peerId) ?? this.#openOnce(connection).finally(() => this.#opening.delete(peerId))
    this.#opening.set(peerId, opening)
    return opening
  }

  async #openOnce(connection: Connection): Promise<void> {
    const { exchange, isMember } = this.#init
    const peerId = connection.remotePeer.toString()
    if (!isMember() || this.isTaken(peerId) || connection.status !== 'open') return
    const signal = AbortSignal.any([this.#controller.signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    const stream = await connection.newStream(EXCHANGE_PROTOCOL, { signal })
    if (!exchange.accept(new Libp2pLane(stream), peerId, true)) stream.abort(new Error('there is a link already'))
  }

  /** Lets a peer go that has done nothing wrong. */
  release(peerId: string): void {
    const { exchange, libp2p, logger } = this.#init
    exchange.unlink(peerId)
    for (const connection of libp2p.getConnections(peerIdFromString(peerId))) {
      connection.close({ signal: AbortSignal.timeout(DIAL_TIMEOUT_MS) }).catch((error: unknown) => {
        logger.debug({ error, peer: peerId }, 'a connection did not close well')
        connection.abort(new Error('this peer is not needed any more'))
      })
    }
  }

  disconnect(peerId: string): void {
    for (const connection of this.#init.libp2p.getConnections(peerIdFromString(peerId))) {
      connection.abort(new Error('this peer is not wanted here'))
    }
  }

  /** Connections whose peers are not linked. */
  get strangers(): number {
    return this.#strangers.size
  }

  /** A peer has shown its certificate. */
  linked(peerId: string): void {
    for (const connection of this.#init.libp2p.getConnections(peerIdFromString(peerId))) {
      this.#strangers.remove(connection)
    }
  }

  #watch(connection: Connection): void {
    const { clock, exchange } = this.#init
    if (connection.status !== 'open' || exchange.isLinked(connection.remotePeer.toString())) return
    const host = hostOf(connection.remoteAddr.toString()) ?? ''
    for (const surplus of this.#strangers.add(connection, host, clock.now())) {
      this.#strangers.remove(surplus)
      surplus.abort(new Error('too many connections without a link'))
    }
  }

  #dropStrangers(): void {
    const { clock, exchange, isMember, libp2p } = this.#init
    if (!isMember()) this.#strangers.restart(clock.now())
    for (const connection of libp2p.getConnections()) this.#watch(connection)
    for (const connection of this.#strangers.overdue(clock.now())) {
      this.#strangers.remove(connection)
      if (exchange.isLinked(connection.remotePeer.toString())) continue
      connection.abort(new Error('the peer showed no certificate'))
    }
  }
}

function withPeerId(address: string, peerId: string) {
  return multiaddr(address.includes('/p2p/') ? address : `${address}/p2p/${peerId}`)
}
