import { Counter, Gauge, type Registry } from 'prom-client'

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

/** Reads the current numbers of peers by state. */
export type PeerCounts = () => Readonly<Record<'connected' | 'banned', number>>

/** Makes the swarm's metrics on `register`. */
export function createSwarmMetrics(register: Registry, peers: PeerCounts): SwarmMetrics {
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
      const counts = peers()
      this.set({ state: 'connected' }, counts.connected)
      this.set({ state: 'banned' }, counts.banned)
    }
  })
  return {
    rejected: (reason) => rejected.inc({ reason }),
    banned: (reason) => banned.inc({ reason }),
    wasted: (bytes) => wasted.inc(bytes),
    provided: (result) => provided.inc({ result })
  }
}
