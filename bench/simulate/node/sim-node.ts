import type { KeyObject } from 'node:crypto'
import type { Digest } from '@shoal/oci'
import { type Fallback, silentLogger, type TransferMetrics } from '@shoal/swarm'
import {
  Bans,
  type Certificate,
  Exchange,
  type PeerAddress,
  RateLimiter,
  REPEAT_AFTER_MS,
  type Role
} from '@shoal/swarm/parts'
import type { Random } from '../engine/random.ts'
import type { Simulation } from '../engine/simulation.ts'
import type { Host, Network } from '../network/network.ts'
import type { ChunkMemory } from './chunk-memory.ts'
import { NodeCounts } from './node-counts.ts'
import { type LinkEnd, SimLane, SimLink } from './sim-link.ts'
import { SimStore } from './sim-store.ts'

/** What all nodes of a run share. */
export interface NodeSurroundings {
  readonly simulation: Simulation
  readonly network: Network
  readonly buffers: ChunkMemory
  readonly authorityKey: KeyObject
  readonly diskMbit: number
  /** How often the registry sends a chunk at most. */
  readonly seedCopies: number | undefined
}

/** What a node is made of. */
export interface SimNodeInit extends NodeSurroundings {
  readonly peerId: string
  readonly role: Role
  readonly zone: string
  readonly host: Host
  readonly random: Random
  readonly lies: boolean
}

/** What an agent and the registry differ in. */
export interface SimNodeRole {
  readonly fallback: Fallback | undefined
  readonly discover: (digest: Digest) => Promise<void>
  readonly learned: (peers: readonly PeerAddress[]) => void
  readonly onLink: (peerId: string, certificate: Certificate) => void
  readonly onUnlink: (peerId: string) => void
  readonly stored: (digest: Digest, index: number) => void
}

/** A certificate's validity does not matter here. */
const EVER = Number.MAX_SAFE_INTEGER
/** Shown to nobody: a simulated link passes the certificate itself on. */
const NO_BYTES = new Uint8Array()

/** A node: the product's own exchange, over simulated links and a store without bytes. */
export class SimNode {
  readonly peerId: string
  readonly counts = new NodeCounts()
  readonly exchange: Exchange
  readonly store: SimStore
  readonly bans: Bans
  readonly end: LinkEnd
  /** Whether it is there. */
  alive = true

  constructor(init: SimNodeInit, role: SimNodeRole) {
    const { simulation, peerId, host, network } = init
    const now = () => simulation.now()
    this.peerId = peerId
    this.bans = new Bans(now)
    this.store = new SimStore({ ...init, stored: role.stored })
    const certificate: Certificate = {
      peerId,
      role: init.role,
      scopes: ['*'],
      zone: init.zone,
      issuedAtMs: 0,
      expiresAtMs: EVER
    }
    this.end = { network, host, counts: this.counts, certificate, lies: init.lies }
    this.exchange = new Exchange({
      peerId,
      store: this.store,
      authorityKey: init.authorityKey,
      fallback: role.fallback,
      clock: simulation,
      random: init.random,
      logger: silentLogger,
      metrics: {
        rejected: () => {
          this.counts.wrongChunks++
        },
        banned: () => undefined,
        wasted: () => undefined,
        provided: () => undefined
      },
      transfer: countTransfers(this.counts),
      uploadLimiter: new RateLimiter({ now }),
      downloadLimiter: new RateLimiter({ now }),
      bans: this.bans,
      seedCopies: init.role === 'registry' ? init.seedCopies : undefined,
      repeatAfterMs: init.role === 'registry' ? REPEAT_AFTER_MS : 0,
      agent: 'simulated',
      certificate: () => NO_BYTES,
      zone: () => init.zone,
      verify: () => certificate,
      isExpired: () => false,
      discover: role.discover,
      lanes: undefined,
      hostOf: () => undefined,
      addressesOf,
      learned: role.learned,
      onLink: role.onLink,
      onUnlink: role.onUnlink,
      onBan: () => undefined,
      createLink: (link) => {
        if (!(link.lane instanceof SimLane)) throw new Error('a simulated node has simulated lanes')
        return new SimLink(link, link.lane)
      }
    })
  }
}

/** As long as an address is in truth: messages that name peers are as long as they would be. */
export function addressesOf(peerId: string): readonly string[] {
  return [`/ip4/10.${peerId.slice(-6, -4)}.${peerId.slice(-4, -2)}.${peerId.slice(-2)}/tcp/5001`]
}

/** A name as long as a peer id. */
export function peerIdOf(number: number): string {
  return `12D3KooW${String(number).padStart(44, '0')}`
}

/** Connects two nodes, as when the first has dialled the second. @returns whether both want it */
export function connect(dialler: SimNode, listener: SimNode): boolean {
  if (!dialler.alive || !listener.alive) return false
  const [left, right] = SimLane.pair(dialler.end, listener.end)
  if (!listener.exchange.accept(right, dialler.peerId, false)) return false
  if (dialler.exchange.accept(left, listener.peerId, true)) return true
  right.close()
  return false
}

function countTransfers(counts: NodeCounts): TransferMetrics {
  return {
    received: (_from, bytes) => {
      counts.storedBytes += bytes
    },
    sent: () => undefined,
    totals: () => ({ received: { peer: 0, registry: 0, upstream: 0 }, sent: { peer: 0, client: 0 } })
  }
}
