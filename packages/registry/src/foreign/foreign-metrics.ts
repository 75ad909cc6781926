import type { TransferMetrics } from '@shoal/swarm'
import { Counter, type Registry } from 'prom-client'

/** Counts foreign layers. */
export interface ForeignMetrics {
  /** One is in the store, verified. */
  fetched(bytes: number): void
  /** One was not to be had. */
  failed(): void
}

/** Makes `shoal_foreign_layers_total{result}` on `register`; the bytes count as received from upstream. */
export function createForeignMetrics(register: Registry, transfer: Pick<TransferMetrics, 'received'>): ForeignMetrics {
  const layers = new Counter({
    name: 'shoal_foreign_layers_total',
    help: 'Foreign layers that were fetched from their urls, by result',
    labelNames: ['result'] as const,
    registers: [register]
  })
  for (const result of ['fetched', 'failed'] as const) layers.inc({ result }, 0)
  return {
    fetched(bytes) {
      layers.inc({ result: 'fetched' })
      transfer.received('upstream', bytes)
    },
    failed: () => layers.inc({ result: 'failed' })
  }
}
