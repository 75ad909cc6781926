import { Counter, type Registry } from 'prom-client'

/** Where verified payload bytes came from. */
export type ByteOrigin = 'peer' | 'registry' | 'upstream'
/** To whom payload bytes went. */
export type ByteReceiver = 'peer' | 'client'
/** Over what payload bytes went. */
export type ByteLane = 'direct' | 'libp2p' | 'http'

/** Payload bytes since the process started. */
export interface TransferTotals {
  received: Record<ByteOrigin, number>
  sent: Record<ByteReceiver, number>
}

/** The two counters of payload bytes that every part of a process shares. */
export interface TransferMetrics {
  /** Counts `bytes` of verified payload that came in. */
  received(from: ByteOrigin, bytes: number): void
  /** Counts `bytes` of payload that were handed to the network. */
  sent(to: ByteReceiver, lane: ByteLane, bytes: number): void
  totals(): TransferTotals
}

/**
 * Makes `shoal_bytes_received_total{from}` and `shoal_bytes_sent_total{to,lane}` on `register`.
 *
 * @throws Error when `register` has them already: one process makes them once and hands them down
 */
export function createTransferMetrics(register: Registry): TransferMetrics {
  const received = new Counter({
    name: 'shoal_bytes_received_total',
    help: 'Verified payload bytes received, by where they came from',
    labelNames: ['from'] as const,
    registers: [register]
  })
  const sent = new Counter({
    name: 'shoal_bytes_sent_total',
    help: 'Payload bytes sent, by receiver and lane',
    labelNames: ['to', 'lane'] as const,
    registers: [register]
  })
  const totals: TransferTotals = { received: { peer: 0, registry: 0, upstream: 0 }, sent: { peer: 0, client: 0 } }
  for (const from of ['peer', 'registry', 'upstream'] as const) received.inc({ from }, 0)

  return {
    received(from, bytes) {
      received.inc({ from }, bytes)
      totals.received[from] += bytes
    },
    sent(to, lane, bytes) {
      sent.inc({ to, lane }, bytes)
      totals.sent[to] += bytes
    },
    totals: () => ({ received: { ...totals.received }, sent: { ...totals.sent } })
  }
}
