import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Connection } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { ContentStore } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { Registry } from 'prom-client'
import { Exchange } from './blob/exchange.ts'
import type { Fallback } from './blob/fallback.ts'
import { REPEAT_AFTER_MS } from './blob/repeat-gate.ts'
import { type Clock, systemClock } from './clock.ts'
import { DhtDirectory } from './discovery/dht-directory.ts'
import { Bans } from './exchange/bans.ts'
import type { LaneEncryption, PeerAddress } from './exchange/frame.ts'
import { type Identity, publicKeyOfPeer } from './identity.ts'
import { DirectLanes } from './lane/direct-lanes.ts'
import type { Logger } from './logger.ts'
import { type Certificate, CertificateError, isExpired, verifyCertificate } from './membership/certificate.ts'
import { AddressBook } from './node/address-book.ts'
import { Connector } from './node/connector.ts'
import { createLibp2pNode, type Libp2pNode } from './node/libp2p-node.ts'
import { hostOf, type ListenAddress } from './node/listen-addresses.ts'
import { answer } from './node/request.ts'
import { PeerSilentError } from './peers/peer-links.ts'
import { RateLimiter } from './rate-limiter.ts'
import { createSwarmMetrics } from './swarm-metrics.ts'
import type { TransferMetrics } from './transfer-metrics.ts'
import { WireError } from './wire.ts'

/** The DHT is told of a blob after this time and up to as much more: a rollout leaves no node a core to spare. */
export const PROVIDE_DELAY_MS = 5_000

/** How a node takes part in direct lanes. */
export interface LaneConfig {
  /** Where peers dial; undefined for nowhere: this node dials others, but sends over libp2p. */
  readonly listen: ListenAddress | undefined
  readonly encryption: LaneEncryption
}

/** What every node of the mesh is made of, be it the registry or an agent. */
export interface MeshInit {
  readonly identity: Identity
  /** Folder of its own for addresses, provider records and the certificate. Made when absent. */
  readonly directory: string
  readonly listen: ListenAddress
  /** Multiaddrs to announce instead of those listened on. */
  readonly announce?: readonly string[] | undefined
  /** Name and version, told to peers. */
  readonly agentVersion: string
  readonly store: ContentStore
  readonly transfer: TransferMetrics
  readonly metrics: Registry
  readonly logger: Logger
  /** The direct lane; undefined for none: all bytes go over libp2p. */
  readonly lane?: LaneConfig | undefined
  /** Bytes per second that are sent to peers. @default no limit */
  readonly uploadRate?: number | undefined
  /** Bytes per second that are asked of peers. @default no limit */
  readonly downloadRate?: number | undefined
  /** How often a chunk is sent to peers at most, as long as those who got it are here. @default as often as needed */
  readonly seedCopies?: number | undefined
  readonly clock?: Clock
  /** Milliseconds since the epoch. @default Date.now */
  readonly wallClock?: () => number
  /** A number in [0, 1). @default Math.random */
  readonly random?: () => number
}

/** What differs between the registry's node and an agent's. */
export interface MeshRole {
  /** Peer id of the registry. */
  readonly authority: string
  readonly fallback: Fallback | undefined
  certificate(): Uint8Array | undefined
  /** The zone that the certificate names. */
  zone(): string
  discover(digest: Digest, signal: AbortSignal): Promise<void>
  /** Peers have named others that have, or fetch, a blob that is wanted here. */
  learned(peers: readonly PeerAddress[]): void
  /** Whether a link with a peer to which there is a connection is welcome. */
  welcomes(peerId: string): boolean
  /** Provider records that are kept at most; the oldest goes first. */
  readonly maxRecords: number
  onLink(peerId: string, certificate: Certificate): void
  onUnlink(peerId: string): void
}

/** Whether the connection is of no use any more after a link has ended so. */
function isFinal(error: Error): boolean {
  return error instanceof CertificateError || error instanceof WireError || error instanceof PeerSilentError
}

/** The parts that the registry's node and an agent's have in common, put together. */
export class Mesh {
  readonly node: Libp2pNode
  readonly exchange: Exchange
  readonly connector: Connector
  readonly dht: DhtDirectory
  readonly addresses = new AddressBook((peerId) => this.exchange.isLinked(peerId))
  readonly clock: Clock
  readonly wallClock: () => number
  readonly random: () => number
  readonly bans: Bans
  /** Of bytes that are fetched. */
  readonly downloadLimiter: RateLimiter
  readonly #lanes: DirectLanes | undefined
  readonly #init: MeshInit

  private constructor(init: MeshInit, role: MeshRole, node: Libp2pNode, bans: Bans) {
    this.#init = init
    this.node = node
    this.bans = bans
    this.clock = init.clock ?? systemClock
    this.wallClock = init.wallClock ?? Date.now
    this.random = init.random ?? Math.random
    const metrics = createSwarmMetrics(init.metrics, {
      peers: () => ({ connected: this.exchange.peers.length, banned: bans.size }),
      lanes: () => this.#lanes?.counts ?? { receiving: 0, sending: 0 },
      load: () => this.exchange.load,
      records: () => this.dht.records,
      keptRecords: () => node.records,
      strangers: () => ({
        libp2p: this.connector.strangers,
        pending: node.pending,
        lane: this.#lanes?.unproven ?? 0
      }),
      zones: () => this.exchange.zoneTotals
    })
    const now = () => this.clock.now()
    this.downloadLimiter = new RateLimiter({ bytesPerSecond: init.downloadRate, now })
    this.#lanes = init.lane && new DirectLanes({ ...init.lane, clock: this.clock, logger: init.logger })
    this.exchange = new Exchange({
      peerId: init.identity.peerId,
      store: init.store,
      authorityKey: publicKeyOfPeer(role.authority),
      fallback: role.fallback,
      clock: this.clock,
      random: this.random,
      logger: init.logger,
      metrics,
      transfer: init.transfer,
      uploadLimiter: new RateLimiter({ bytesPerSecond: init.uploadRate, now }),
      downloadLimiter: this.downloadLimiter,
      bans,
      seedCopies: init.seedCopies,
      repeatAfterMs: init.identity.peerId === role.authority ? REPEAT_AFTER_MS : 0,
      agent: init.agentVersion,
      certificate: () => role.certificate(),
      zone: () => role.zone(),
      verify: (bytes, peerId) => this.#verify(bytes, peerId, role.authority),
      discover: (digest, signal) => role.discover(digest, signal),
      isExpired: (certificate) => isExpired(certificate, this.wallClock()),
      lanes: this.#lanes,
      hostOf: (peerId) => this.#hostOf(peerId),
      addressesOf: (peerId) => this.addresses.of(peerId),
      learned: (peers) => role.learned(peers),
      onLink: (peerId, certificate) => {
        this.connector.linked(peerId)
        role.onLink(peerId, certificate)
      },
      onUnlink: (peerId, error) => {
        init.logger.debug({ peer: peerId, error }, 'a link ended')
        if (error !== undefined && isFinal(error)) this.connector.disconnect(peerId)
        role.onUnlink(peerId)
      },
      onBan: (peerId) => this.connector.disconnect(peerId)
    })
    this.connector = new Connector({
      libp2p: node.libp2p,
      exchange: this.exchange,
      clock: this.clock,
      logger: init.logger,
      isBanned: (peerId) => bans.has(peerId),
      isMember: () => role.certificate() !== undefined,
      welcomes: (peerId) => role.welcomes(peerId)
    })
    this.dht = new DhtDirectory({
      clock: this.clock,
      routing: node.libp2p.contentRouting,
      self: node.libp2p.peerId,
      logger: init.logger,
      metrics,
      maxRecords: role.maxRecords
    })
  }

  /** Opens the datastore and makes the parts; nothing listens before {@link Mesh.start}. */
  static async create(init: MeshInit, role: MeshRole): Promise<Mesh> {
    await mkdir(init.directory, { recursive: true })
    const clock = init.clock ?? systemClock
    const bans = new Bans(() => clock.now())
    const node = await createLibp2pNode({
      identity: init.identity,
      authority: role.authority,
      directory: join(init.directory, 'datastore'),
      listen: init.listen,
      ...(init.announce === undefined ? {} : { announce: init.announce }),
      agentVersion: init.agentVersion,
      isBanned: (peerId) => bans.has(peerId)
    })
    return new Mesh(init, role, node, bans)
  }

  async start(): Promise<void> {
    this.addresses.follow(this.node.libp2p)
    this.exchange.start()
    await this.#lanes?.start()
    await this.node.libp2p.start()
    await this.connector.start()
  }

  async stop(): Promise<void> {
    this.connector.stop()
    this.dht.stop()
    await this.exchange.stop()
    await this.#lanes?.stop()
    await this.node.close()
  }

  /** Tells the DHT of a blob, when those who pull it at once have been served, and if it is still here then. */
  provideLater(digest: Digest): void {
    const { store, logger } = this.#init
    this.clock.after(PROVIDE_DELAY_MS * (1 + this.random()), () => {
      store
        .stat(digest)
        .then((held) => held && this.dht.provide(digest))
        .catch((error: unknown) => logger.debug({ error, digest }, 'cannot look for a blob to tell of'))
    })
  }

  /** Multiaddrs under which this node can be dialled, with its peer id. */
  get multiaddrs(): string[] {
    return this.node.libp2p.getMultiaddrs().map(String)
  }

  #hostOf(peerId: string): string | undefined {
    const remote = this.connectionTo(peerId)?.remoteAddr.toString()
    return remote && hostOf(remote)
  }

  /** The connection to a peer, if there is one. */
  connectionTo(peerId: string): Connection | undefined {
    return this.node.libp2p.getConnections(peerIdFromString(peerId))[0]
  }

  /** Answers one-message requests of a protocol. `respond` is given the peer id that the connection has proved. */
  async serve(
    protocol: string,
    maxBytes: number,
    respond: (peerId: string, message: Uint8Array) => Promise<Uint8Array> | Uint8Array
  ): Promise<void> {
    await this.node.libp2p.handle(protocol, (stream, connection) => {
      const peerId = connection.remotePeer.toString()
      answer(stream, { maxBytes }, (message) => respond(peerId, message)).catch((error: unknown) =>
        this.#init.logger.debug({ error, peer: peerId, protocol }, 'a request could not be answered')
      )
    })
  }

  #verify(bytes: Uint8Array, peerId: string, authority: string): Certificate {
    return verifyCertificate(bytes, { authority, peerId, nowMs: this.wallClock() })
  }
}
