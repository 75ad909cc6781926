import { Counter, Gauge, type Registry } from 'prom-client'
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
  /** Blobs of which the DHT has been told, and is told again while they are here. */
  records(): number
  /** Payload bytes exchanged with peers, by whether they stayed in our zone. */
  zones?(): ZoneTotals
  load(): {
    readonly queuedUploads: number
    readonly pendingBytes: number
    readonly storingBytes: number
    readonly waitingPrefetches: number
  }
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
    name: 'shoal_provider_records',
    help: 'Blobs that the DHT has been told of and is told of again while they are here',
    registers,
    collect() {
      this.set(gauges.records())
    }
  })
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
    ['shoal_pending_bytes', 'Payload bytes that were asked for and are not on disk', 'pendingBytes'],
    ['shoal_storing_bytes', 'Payload bytes that have come and are not on disk', 'storingBytes'],
    ['shoal_prefetch_queue_blobs', 'Blobs that wait to be fetched before they are asked for', 'waitingPrefetches']
  ] as const
  for (const [name, help, load] of loads) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(gauges.load()[load])
      }
    })
  }
  return {
    rejected: (reason) => rejected.inc({ reason }),
    banned: (reason) => banned.inc({ reason }),
    wasted: (bytes) => wasted.inc(bytes),
    provided: (result) => provided.inc({ result })
  }
}
