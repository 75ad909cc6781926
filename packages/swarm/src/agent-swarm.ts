import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import type { BlobSource } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import type { DownloadProgress } from './blob/download-init.ts'
import type { LinkedPeer } from './blob/exchange.ts'
import type { Fallback } from './blob/fallback.ts'
import { pause } from './clock.ts'
import { findPeers } from './discovery/find-peers.ts'
import { RendezvousClient } from './discovery/rendezvous-client.ts'
import { MAX_RENDEZVOUS_BYTES } from './discovery/rendezvous-messages.ts'
import type { PeerAddress } from './exchange/frame.ts'
import { MAX_ADMISSION_ANSWER_BYTES } from './membership/admission-messages.ts'
import type { JoinToken } from './membership/join-token.ts'
import { Membership, type MembershipState } from './membership/membership.ts'
import { Mesh, type MeshInit } from './mesh.ts'
import { MAX_KNOWN_PEERS } from './node/known-peers.ts'
import { Neighbourhood } from './node/neighbourhood.ts'
import { request } from './node/request.ts'
import type { ZoneTotals } from './peers/zone-bytes.ts'
import { ADMISSION_PROTOCOL, RENDEZVOUS_PROTOCOL } from './protocols.ts'
import type { RateLimiter } from './rate-limiter.ts'
import { gauge } from './swarm-metrics.ts'

/** Layers whose image is remembered, for looking them up by the image's provider records. */
const MAX_REMEMBERED_LAYERS = 20_000
/** Images that the DHT is told of; the one fetched longest ago is withdrawn. A record costs the mesh about 2,000 messages. */
export const MAX_PROVIDED_IMAGES = 128
/** How often peers that libp2p has met are taken into account as neighbours. */
const MET_PEERS_MS = 60_000
const DIAL_TIMEOUT_MS = 5_000
/** The DHT is asked after this time, unless the registry, which knows better, is linked and some peer has the blob by then. */
export const DHT_DELAY_MS = 250

/** What an agent's node is made of. */
export interface AgentSwarmInit extends MeshInit {
  readonly joinToken: JoinToken
  /** Where the node is, such as an availability zone; its certificate says so. */
  readonly zone: string
  /** Where bytes come from when no peer can serve them. */
  readonly fallback: Fallback
  /**
   * Multiaddrs of the registry's node, asked for whenever it must be dialled. Throws when they cannot be had.
   */
  readonly registryAddresses: (options: { signal: AbortSignal }) => Promise<readonly string[]>
}

/** An agent's place in the mesh. */
export interface AgentSwarm {
  readonly peerId: string
  readonly addresses: readonly string[]
  readonly peers: readonly LinkedPeer[]
  readonly banned: number
  /** Payload bytes exchanged with peers, by whether they stayed in this node's zone. */
  readonly zoneTotals: ZoneTotals
  readonly membership: MembershipState
  /** Whether the registry's node is connected. */
  readonly registryLinked: boolean
  readonly transfers: readonly DownloadProgress[]
  /** Paces what is fetched from peers; for others who fetch, too. */
  readonly downloadLimiter: Pick<RateLimiter, 'take'>
  start(): Promise<void>
  stop(): Promise<void>
  /**
   * Brings a blob here, or joins the download that already does. Resolves as soon as its size is known, with the blob to
   * be read while it comes in; the caller closes it.
   *
   * @throws BlobNotFoundError, DownloadStalledError, or the signal's reason
   */
  fetch(digest: Digest, options?: { signal?: AbortSignal }): Promise<BlobSource>
  /** Resolves when a download that is under way has ended well; at once when there is none. */
  completion(digest: Digest): Promise<void>
  /**
   * Brings a blob here that is likely to be asked for soon, with what other downloads leave over. Does nothing when it is
   * here already.
   */
  prefetch(digest: Digest): void
  /** An image is about to be pulled: peers for all its blobs are asked for in one message. */
  expect(image: Digest, blobs: readonly Digest[]): void
  /** This node has the manifest of an image: the DHT is told, so that it is found without the registry. */
  provideImage(image: Digest): void
}

/** Makes an agent's node. */
export async function createAgentSwarm(init: AgentSwarmInit): Promise<AgentSwarm> {
  const { identity, store, logger, joinToken } = init
  const { authority } = joinToken
  const imageOf = new Map<Digest, Digest>()

  const mesh = await Mesh.create(init, {
    authority,
    fallback: init.fallback,
    certificate: () => membership.certificate,
    zone: () => membership.zone,
    discover,
    learned: (peers) => void neighbourhood.want(peers),
    welcomes: (peerId) => peerId === authority || neighbourhood.welcomes(peerId),
    maxRecords: MAX_PROVIDED_IMAGES,
    onLink: (peerId, { zone }) => {
      neighbourhood.onLink(peerId, mesh.addresses.of(peerId), zone)
      if (peerId === authority) tellHoldings().catch((error: unknown) => logger.error({ error }, 'cannot list blobs'))
    },
    onUnlink: (peerId) => neighbourhood.onUnlink(peerId)
  })

  const neighbourhood = new Neighbourhood({
    except: [identity.peerId, authority],
    zone: () => membership.zone,
    clock: mesh.clock,
    random: mesh.random,
    logger,
    peers: () => mesh.exchange.peers,
    isMember: () => membership.certificate !== undefined,
    isTaken: (peerId) => mesh.connector.isTaken(peerId),
    dial: (peer) => mesh.connector.dial(peer),
    drop: (peerId) => mesh.connector.release(peerId)
  })

  const rendezvous = new RendezvousClient({
    clock: mesh.clock,
    logger,
    ask: (message) => {
      const connection = mesh.exchange.hasLink(authority) ? mesh.connectionTo(authority) : undefined
      return connection && request(connection, RENDEZVOUS_PROTOCOL, message, { maxBytes: MAX_RENDEZVOUS_BYTES })
    }
  })

  gauge(init.metrics, 'shoal_known_peers', 'Members that are remembered for dialling them', () => neighbourhood.known)
  gauge(init.metrics, 'shoal_dials', 'Peers that are being dialled', () => neighbourhood.dials)
  const waiting = 'Blobs that the registry is to be asked for, or told of'
  gauge(init.metrics, 'shoal_rendezvous_queue_blobs', waiting, () => rendezvous.waiting)

  const membership = new Membership({
    token: joinToken,
    peerId: identity.peerId,
    zone: init.zone,
    file: join(init.directory, 'certificate'),
    clock: mesh.clock,
    wallClock: mesh.wallClock,
    logger,
    isLinked: () => mesh.exchange.hasLink(authority),
    ask: async (message, signal) => {
      const connection = await dialRegistry(signal)
      return request(connection, ADMISSION_PROTOCOL, message, { maxBytes: MAX_ADMISSION_ANSWER_BYTES, signal })
    },
    link: async (signal) => {
      await dialRegistry(signal)
      mesh.connector.linkAll()
    },
    admitted: (neighbours) => {
      mesh.connector.linkAll()
      neighbourhood.learn(neighbours)
      learnMetPeers()
    }
  })

  async function dialRegistry(signal: AbortSignal) {
    const existing = mesh.connectionTo(authority)
    if (existing !== undefined) return existing
    const addresses = await init.registryAddresses({ signal })
    const targets = addresses.map((address) => multiaddr(`${address.replace(/\/p2p\/.*$/, '')}/p2p/${authority}`))
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT_MS)])
    return mesh.node.libp2p.dial(targets, { signal: deadline })
  }

  /** Peers that libp2p has met, also in an earlier run: the way back into the mesh when the registry is down. */
  function learnMetPeers(): void {
    mesh.node.libp2p.peerStore
      .all({ limit: MAX_KNOWN_PEERS })
      .then((met) => {
        const peers = met.map(({ id, addresses }): PeerAddress => {
          return { peerId: id.toString(), addresses: addresses.map((address) => address.multiaddr.toString()) }
        })
        neighbourhood.learn(peers.filter(({ addresses }) => addresses.length > 0))
      })
      .catch((error: unknown) => logger.warn({ error }, 'cannot read the peers that were met'))
  }

  /** Whether none of the linked peers is known to have a wanted blob. */
  function isScarce(digest: Digest): boolean {
    const transfer = mesh.exchange.transfers.find((each) => each.digest === digest)
    return transfer !== undefined && transfer.peers === 0
  }

  /** A walk through the DHT costs the mesh dozens of messages for each of the nodes that pull an image at once. */
  async function* findInDht(digest: Digest, signal: AbortSignal): AsyncGenerator<PeerAddress> {
    await pause(mesh.clock, DHT_DELAY_MS, signal)
    if (mesh.exchange.hasLink(authority) && !isScarce(digest)) return
    yield* mesh.dht.find(imageOf.get(digest) ?? digest, { signal })
  }

  async function discover(digest: Digest, signal: AbortSignal): Promise<void> {
    await findPeers({
      rendezvous: () => rendezvous.find(digest),
      dht: () => findInDht(digest, signal),
      link: (peers) => neighbourhood.want(peers, { scarce: isScarce(digest) })
    })
  }

  /** A registry that has just come back knows nothing of what is here. */
  async function tellHoldings(): Promise<void> {
    for await (const { digest } of store.list()) rendezvous.have(digest)
  }

  const unsubscribe: (() => void)[] = []

  return {
    peerId: identity.peerId,
    downloadLimiter: mesh.downloadLimiter,
    get addresses() {
      return mesh.multiaddrs
    },
    get peers() {
      return mesh.exchange.peers
    },
    get banned() {
      return mesh.bans.size
    },
    get zoneTotals() {
      return mesh.exchange.zoneTotals
    },
    get membership() {
      return membership.state
    },
    get registryLinked() {
      return mesh.exchange.hasLink(authority)
    },
    get transfers() {
      return mesh.exchange.transfers
    },
    async start() {
      await mesh.start()
      unsubscribe.push(
        store.onAdded(({ digest }) => rendezvous.have(digest)),
        store.onRemoved(({ digest }) => {
          mesh.exchange.withdraw(digest)
          rendezvous.gone(digest)
          mesh.dht.withdraw(digest)
        })
      )
      const holds = async (digest: Digest) => (await store.stat(digest)) !== undefined
      mesh.dht.restore(mesh.node.provided(), holds).catch((error: unknown) => {
        logger.warn({ error }, 'cannot read the provider records of an earlier run')
      })
      neighbourhood.start()
      unsubscribe.push(mesh.clock.every(MET_PEERS_MS, learnMetPeers))
      await membership.start()
    },
    async stop() {
      for (const undo of unsubscribe.splice(0)) undo()
      neighbourhood.stop()
      await membership.stop()
      await mesh.stop()
    },
    fetch: (digest, options) => mesh.exchange.fetch(digest, options),
    prefetch: (digest) => mesh.exchange.prefetch(digest),
    completion: (digest) => mesh.exchange.completion(digest),
    expect(image, blobs) {
      for (const blob of blobs) {
        imageOf.delete(blob)
        imageOf.set(blob, image)
        void rendezvous.find(blob).then((peers) => neighbourhood.want(peers))
      }
      for (const oldest of imageOf.keys()) {
        if (imageOf.size <= MAX_REMEMBERED_LAYERS) break
        imageOf.delete(oldest)
      }
    },
    provideImage(image) {
      mesh.provideLater(image)
    }
  }
}
