import { noise } from '@chainsafe/libp2p-noise'
import { type Identify, identify } from '@libp2p/identify'
import type { Libp2p, PeerId } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { base32 } from 'multiformats/bases/base32'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { decode as decodeMultihash } from 'multiformats/hashes/digest'
import type { Identity } from '../identity.ts'
import { MAX_LINKS } from '../peers/peer-links.ts'
import { announceable, type ListenAddress, listenMultiaddrs } from './listen-addresses.ts'
import { PeerDatastore, PROVIDER_RECORDS } from './peer-datastore.ts'
import { PendingConnections } from './pending-connections.ts'
import { sparingYamux } from './sparing-yamux.ts'
import { MAX_STRANGERS } from './strangers.ts'

/** Our own DHT: it never mixes with the public one. */
export const DHT_PROTOCOL = '/shoal/kad/1.0.0'
const DHT_K = 10
const DHT_ALPHA = 4
/** Provider records are ours for a day and renewed in time. */
const PROVIDER_VALIDITY_MS = 24 * 3_600_000
const REPROVIDE_INTERVAL_MS = 3_600_000
const REPROVIDE_THRESHOLD_MS = 12 * 3_600_000
/** Every link has one, a registry as many as agents; the others are bounded by the connector. */
const MAX_CONNECTIONS = MAX_LINKS + MAX_STRANGERS
/** A rollout makes many nodes dial one at the same moment, often from behind one address. */
const MAX_PENDING_CONNECTIONS = 256
const INBOUND_PER_SECOND_AND_HOST = 256
/** A connection that is not secured by then is closed. */
export const UPGRADE_TIMEOUT_MS = 5_000
const STREAM_WINDOW_BYTES = 4 * 1024 * 1024
const READ_BUFFER_BYTES = 8 * 1024 * 1024

/** The services that our node runs. */
export interface NodeServices extends Record<string, unknown> {
  readonly identify: Identify
  readonly ping: Ping
  readonly dht: KadDHT
}

/** A libp2p node with the datastore that it was given. */
export interface Libp2pNode {
  readonly libp2p: Libp2p<NodeServices>
  /** Inbound connections that are not secured yet. */
  readonly pending: number
  /** Provider records of other agents that are kept for the DHT. */
  readonly records: number
  /** Keys of our own provider records, this run's and earlier ones', which libp2p renews until they are cancelled. */
  provided(): AsyncIterable<CID>
  close(): Promise<void>
}

/** What a node is made of. */
export interface Libp2pNodeInit {
  readonly identity: Identity
  /** Peer id of the registry. */
  readonly authority: string
  /** Folder of the datastore: peers' addresses and provider records outlive the process. */
  readonly directory: string
  readonly listen: ListenAddress
  /** Multiaddrs to announce instead of those listened on. */
  readonly announce?: readonly string[]
  readonly agentVersion: string
  /** Peers that may not connect. */
  readonly isBanned: (peerId: string) => boolean
}

const STOP_TIMEOUT_MS = 5_000

/** Makes a node: TCP, Noise, Yamux, identify, ping and a DHT of our own in server mode. It is not started. */
export async function createLibp2pNode(init: Libp2pNodeInit): Promise<Libp2pNode> {
  const datastore = new PeerDatastore(init.directory, { self: init.identity.peerId, authority: init.authority })
  await datastore.open()
  const pending = new PendingConnections()
  const denied = (peerId: PeerId) => init.isBanned(peerId.toString())
  const libp2p: Libp2p<NodeServices> = await createLibp2p<NodeServices>({
    start: false,
    privateKey: init.identity.libp2pKey,
    datastore,
    nodeInfo: { userAgent: init.agentVersion },
    addresses: {
      listen: listenMultiaddrs(init.listen),
      ...(init.announce === undefined ? {} : { announce: [...init.announce] }),
      announceFilter: (addresses) => announceable(addresses.map(String)).map((address) => multiaddr(address))
    },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [
      sparingYamux({
        streamOptions: { maxStreamWindowSize: STREAM_WINDOW_BYTES, maxReadBufferLength: READ_BUFFER_BYTES }
      })
    ],
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      inboundConnectionThreshold: INBOUND_PER_SECOND_AND_HOST,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      inboundUpgradeTimeout: UPGRADE_TIMEOUT_MS
    },
    // The monitor drops a connection when its own ping meets another ping on it, as the DHT sends them. What is asked of
    // a silent peer is taken back by the exchange, and Yamux notices a dead connection.
    connectionMonitor: { enabled: false },
    // Addresses in the peer store expire after an hour by default and are not renewed while a peer is connected; the
    // DHT then leaves such a peer out of its answers.
    peerStore: { maxAddressAge: Number.POSITIVE_INFINITY, maxPeerAge: Number.POSITIVE_INFINITY },
    connectionGater: {
      denyInboundConnection: (connection) => {
        const address = connection.remoteAddr.toString()
        if (!pending.admit(address)) return true
        connection.addEventListener('close', () => pending.done(address))
        return false
      },
      denyInboundUpgradedConnection: (_peerId, connection) => {
        pending.done(connection.remoteAddr.toString())
        return false
      },
      denyDialPeer: denied,
      denyInboundEncryptedConnection: denied,
      denyOutboundEncryptedConnection: denied
    },
    services: {
      identify: identify(),
      ping: ping(),
      dht: kadDHT({
        protocol: DHT_PROTOCOL,
        clientMode: false,
        peerInfoMapper: passthroughMapper,
        kBucketSize: DHT_K,
        alpha: DHT_ALPHA,
        allowQueryWithZeroPeers: true,
        reprovide: {
          interval: REPROVIDE_INTERVAL_MS,
          threshold: REPROVIDE_THRESHOLD_MS,
          validity: PROVIDER_VALIDITY_MS
        }
      })
    }
  })
  return {
    libp2p,
    get pending() {
      return pending.size
    },
    get records() {
      return datastore.records
    },
    async *provided() {
      for await (const key of datastore.queryKeys({ prefix: PROVIDER_RECORDS })) {
        const [multihash = '', peerId] = key.toString().slice(PROVIDER_RECORDS.length).split('/')
        if (peerId !== init.identity.peerId) continue
        yield CID.createV1(raw.code, decodeMultihash(base32.baseDecode(multihash)))
      }
    },
    async close() {
      // A graceful close waits for streams that the other side may leave open; whoever stops has said all it had to.
      for (const connection of libp2p.getConnections()) connection.abort(new Error('this node is stopping'))
      // A node's stop has been seen not to settle when a peer leaves at the same moment.
      await Promise.race([
        Promise.resolve(libp2p.stop()),
        new Promise<void>((resolve) => setTimeout(resolve, STOP_TIMEOUT_MS).unref())
      ])
      await datastore.close()
    }
  }
}
