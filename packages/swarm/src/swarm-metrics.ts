import { Counter, Gauge, type Registry } from 'prom-client'
import type { ExchangeLoad } from './blob/exchange-load.ts'
import type { ZoneTotals } from './peers/zone-bytes.ts'

/** What the swarm counts beside payload bytes. */
export interface SwarmMetrics {
  /** A chunk came and was thrown away. */
  rejected(reason: string): void
  /** A peer was banned. */
  banned(reason: string): void
  /** Payload bytes came that were here already. */
  wasted(bytes: number): void
  /** Provider records: told to the DHT, or not. */
  provided(result: 'ok' | 'failed' | 'dropped'): void
}

/** Numbers that are read when somebody asks for the metrics. */
export interface SwarmGauges {
  /** Peers by state. */
  peers(): Readonly<Record<'connected' | 'banned', number>>
  /** Open direct lanes by direction. */
  lanes(): Readonly<Record<'receiving' | 'sending', number>>
  /** Connections to libp2p and to the direct lane that have not proved who they are, and libp2p's before they are secured. */
  strangers(): Readonly<Record<'libp2p' | 'pending' | 'lane', number>>
  /** Blobs of which the DHT has been told, and is told again while they are here. */
  records(): number
  /** Provider records of other agents that are kept here. */
  keptRecords(): number
  /** Payload bytes exchanged with peers, by whether they stayed in our zone. */
  zones?(): ZoneTotals
  load(): ExchangeLoad
}

/** Makes a gauge that is read when somebody asks for the metrics. */
export function gauge(register: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [register],
    collect() {
      this.set(value())
    }
  })
}

/** Makes the swarm's metrics on `register`. */
export function createSwarmMetrics(register: Registry, gauges: SwarmGauges): SwarmMetrics {
  const registers = [register]
  const rejected = new Counter({
    name: 'shoal_chunks_rejected_total',
    help: 'Chunks that were thrown away because they were wrong',
    labelNames: ['reason'] as const,
    registers
  })
  const banned = new Counter({
    name: 'shoal_peers_banned_total',
    help: 'Peers that were banned',
    labelNames: ['reason'] as const,
    registers
  })
  const wasted = new Counter({
    name: 'shoal_duplicate_bytes_total',
    help: 'Verified payload bytes that were here already when they came',
    registers
  })
  const provided = new Counter({
    name: 'shoal_provider_records_total',
    help: 'Provider records given to the DHT, by result',
    labelNames: ['result'] as const,
    registers
  })
  new Gauge({
    name: 'shoal_peers',
    help: 'Peers by state',
    labelNames: ['state'] as const,
    registers,
    collect() {
      for (const [state, count] of Object.entries(gauges.peers())) this.set({ state }, count)
    }
  })
  new Gauge({
    name: 'shoal_direct_lanes',
    help: 'Open direct lanes by direction',
    labelNames: ['direction'] as const,
    registers,
    collect() {
      for (const [direction, count] of Object.entries(gauges.lanes())) this.set({ direction }, count)
    }
  })
  new Gauge({
    name: 'shoal_unproven_connections',
    help: 'Connections whose other end has not shown yet that it is a member, by what it connected to',
    labelNames: ['kind'] as const,
    registers,
    collect() {
      this.set({ kind: 'link' }, gauges.load().unprovenLinks)
      for (const [kind, count] of Object.entries(gauges.strangers())) this.set({ kind }, count)
    }
  })
  const recordsHelp = 'Blobs that the DHT has been told of and is told of again while they are here'
  gauge(register, 'shoal_provider_records', recordsHelp, () => gauges.records())
  const keptHelp = 'Provider records of other agents that this node keeps for the DHT'
  gauge(register, 'shoal_kept_records', keptHelp, () => gauges.keptRecords())
  for (const direction of ['received', 'sent'] as const) {
    new Counter({
      name: `shoal_zone_bytes_${direction}_total`,
      help: `Payload bytes ${direction} in the mesh, by whether the peer is in this node's zone`,
      labelNames: ['zone'] as const,
      registers,
      collect() {
        const totals = gauges.zones?.()[direction] ?? { same: 0, other: 0 }
        this.reset()
        for (const [zone, bytes] of Object.entries(totals)) this.inc({ zone }, bytes)
      }
    })
  }
  const loads = [
    ['shoal_upload_queue_chunks', 'Chunks that peers asked for and have not been sent', 'queuedUploads'],
    ['shoal_upload_queue_peers', 'Peers that wait for their turn to be sent a chunk', 'waitingPeers'],
    ['shoal_peer_queue_bytes', 'Bytes sent to peers over libp2p that have not left yet', 'queuedBytes'],
    ['shoal_swarms', 'Blobs that peers want of this node, or that it fetches', 'swarms'],
    ['shoal_open_files', 'Files of whole blobs that are open for peers', 'openFiles'],
    ['shoal_channels', 'Numbers that links have given to blobs, of both sides', 'channels'],
    ['shoal_deferred_frames', 'Frames of peers that wait until their blob has been looked for', 'deferredFrames'],
    ['shoal_pending_bytes', 'Payload bytes that were asked for and are not on disk', 'pendingBytes'],
    ['shoal_storing_bytes', 'Payload bytes that have come and are not on disk', 'storingBytes'],
    ['shoal_prefetch_queue_blobs', 'Blobs that wait to be fetched before they are asked for', 'waitingPrefetches']
  ] as const
  for (const [name, help, load] of loads) gauge(register, name, help, () => gauges.load()[load])
  return {
    rejected: (reason) => rejected.inc({ reason }),
    banned: (reason) => banned.inc({ reason }),
    wasted: (bytes) => wasted.inc(bytes),
    provided: (result) => provided.inc({ result })
  }
}
