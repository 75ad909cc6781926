import type { Digest } from '@shoal/oci'
import { Counter } from 'prom-client'
import type { LinkedPeer } from './blob/exchange.ts'
import { MAX_RENDEZVOUS_BYTES } from './discovery/rendezvous-messages.ts'
import { RendezvousServer } from './discovery/rendezvous-server.ts'
import type { PeerAddress } from './exchange/frame.ts'
import { MAX_ADMISSION_REQUEST_BYTES } from './membership/admission-messages.ts'
import { AdmissionServer, NEIGHBOURS_TOLD } from './membership/admission-server.ts'
import type { JoinToken } from './membership/join-token.ts'
import { Mesh, type MeshInit } from './mesh.ts'
import { mixZones } from './node/zone-mix.ts'
import type { ZoneTotals } from './peers/zone-bytes.ts'
import { ADMISSION_PROTOCOL, RENDEZVOUS_PROTOCOL } from './protocols.ts'
import { gauge } from './swarm-metrics.ts'

/** Blobs that the registry tells the DHT of; it sees every blob, and agents find it without the DHT too. */
export const MAX_PROVIDED_BLOBS = 100_000

/** What the registry's node is made of. */
export interface RegistrySwarmInit extends MeshInit {
  /** The token that nodes must show; made with this registry's identity. */
  readonly joinToken: JoinToken
  /** Where the registry itself is. @default '' */
  readonly zone?: string
}

/** The registry's place in the mesh: it admits nodes, seeds every blob, and knows who has what. */
export interface RegistrySwarm {
  readonly peerId: string
  /** Multiaddrs for nodes to dial. */
  readonly addresses: readonly string[]
  readonly peers: readonly LinkedPeer[]
  readonly banned: number
  /** Payload bytes exchanged with peers, by whether they stayed in this node's zone. */
  readonly zoneTotals: ZoneTotals
  start(): Promise<void>
  stop(): Promise<void>
  /** A whole blob is in the store: the DHT is told, soon. Peers that ask this node find it from now on. */
  announce(digest: Digest): void
}

/**
 * Makes the registry's node. Blobs that the store holds already are announced at start, blobs that leave the store
 * are withdrawn.
 */
export async function createRegistrySwarm(init: RegistrySwarmInit): Promise<RegistrySwarm> {
  const { identity, store, logger } = init
  const random = init.random ?? Math.random
  const admissions = new Counter({
    name: 'shoal_admissions_total',
    help: 'Nodes that asked to be admitted to the mesh, by result',
    labelNames: ['result'] as const,
    registers: [init.metrics]
  })
  for (const result of ['admitted', 'refused'] as const) admissions.inc({ result }, 0)
  const admission = new AdmissionServer({
    identity,
    token: init.joinToken,
    wallClock: init.wallClock ?? Date.now,
    members: (except, zone) => members(except, zone),
    logger,
    count: (result) => admissions.inc({ result })
  })
  const mesh = await Mesh.create(init, {
    authority: identity.peerId,
    fallback: undefined,
    certificate: () => admission.own(init.zone ?? ''),
    zone: () => init.zone ?? '',
    discover: () => Promise.resolve(),
    // It is dialled by who needs it, and dials nobody by itself.
    learned: () => undefined,
    welcomes: () => true,
    maxRecords: MAX_PROVIDED_BLOBS,
    onLink: (peerId, shown) => logger.info({ peer: peerId, zone: shown.zone }, 'a node joined the mesh'),
    onUnlink: (peerId) => rendezvous.departed(peerId)
  })
  const rendezvous = new RendezvousServer({
    random,
    addressesOf: (peerId) => mesh.addresses.of(peerId),
    zoneOf: (peerId) => mesh.exchange.zoneOf(peerId)
  })
  gauge(init.metrics, 'shoal_rendezvous_blobs', 'Blobs that agents have told of', () => rendezvous.size.blobs)
  const registrations = 'Agents that have told of a blob, for all blobs together'
  gauge(init.metrics, 'shoal_rendezvous_registrations', registrations, () => rendezvous.size.registrations)
  const members = (except: string, zone: string): PeerAddress[] => {
    const others = mesh.exchange.peers.filter(
      ({ peerId, role }) => peerId !== except && role === 'agent' && mesh.addresses.of(peerId).length > 0
    )
    const shuffled = others
      .map((member) => ({ member, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ member }) => member)
    return mixZones(shuffled, NEIGHBOURS_TOLD, (member) => member.zone === zone).map(({ peerId }) => ({
      peerId,
      addresses: mesh.addresses.of(peerId)
    }))
  }
  let unsubscribe: () => void = () => undefined

  async function announceAll(): Promise<void> {
    for await (const { digest } of store.list()) mesh.dht.provide(digest)
  }

  return {
    peerId: identity.peerId,
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
    async start() {
      await mesh.start()
      await mesh.serve(ADMISSION_PROTOCOL, MAX_ADMISSION_REQUEST_BYTES, (peerId, message) =>
        admission.answer(peerId, message)
      )
      await mesh.serve(RENDEZVOUS_PROTOCOL, MAX_RENDEZVOUS_BYTES, (peerId, message) => {
        if (!mesh.exchange.isLinked(peerId)) throw new Error('only members may use the rendezvous')
        return rendezvous.answer(peerId, message)
      })
      unsubscribe = store.onRemoved(({ digest }) => {
        mesh.exchange.withdraw(digest)
        mesh.dht.withdraw(digest)
      })
      announceAll().catch((error: unknown) => logger.error({ error }, 'cannot list the blobs to announce'))
    },
    async stop() {
      unsubscribe()
      await mesh.stop()
    },
    announce: (digest) => mesh.provideLater(digest)
  }
}
