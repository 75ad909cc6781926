import { Counter, Gauge, type Registry } from 'prom-client'
import type { QuotaUsage } from './quotas.ts'

/** What the registry counts beside the bytes. */
export interface RegistryMetrics {
  /** A request was answered, or given up by its client. */
  answered(method: string, status: number): void
  /** So many bytes of garbage were removed. */
  collected(bytes: number): void
}

/** What the registry tells of itself when metrics are asked for. */
export interface RegistryGauges {
  /** Uploads under way. */
  uploads(): number
  quotas(): readonly QuotaUsage[]
  /** Whether pushes and deletes are refused. */
  readOnly(): boolean
}

/**
 * Makes `shoal_registry_requests_total{method,status}`, `shoal_registry_uploads`,
 * `shoal_registry_collected_bytes_total`, `shoal_registry_read_only` and `shoal_registry_quota_bytes{prefix,what}` on
 * `register`.
 */
export function createRegistryMetrics(register: Registry, gauges: RegistryGauges): RegistryMetrics {
  const requests = new Counter({
    name: 'shoal_registry_requests_total',
    help: 'Requests to the registry, by method and class of status',
    labelNames: ['method', 'status'] as const,
    registers: [register]
  })
  new Gauge({
    name: 'shoal_registry_uploads',
    help: 'Uploads that are begun and not finished',
    registers: [register],
    collect() {
      this.set(gauges.uploads())
    }
  })
  new Gauge({
    name: 'shoal_registry_read_only',
    help: 'Whether pushes and deletes are refused: 1 or 0',
    registers: [register],
    collect() {
      this.set(gauges.readOnly() ? 1 : 0)
    }
  })
  new Gauge({
    name: 'shoal_registry_quota_bytes',
    help: 'Bytes that the repositories of a prefix have, and may have',
    labelNames: ['prefix', 'what'] as const,
    registers: [register],
    collect() {
      for (const { prefix, quotaBytes, usedBytes } of gauges.quotas()) {
        this.set({ prefix, what: 'used' }, usedBytes)
        this.set({ prefix, what: 'limit' }, quotaBytes)
      }
    }
  })
  const collected = new Counter({
    name: 'shoal_registry_collected_bytes_total',
    help: 'Bytes of blobs that garbage collection removed',
    registers: [register]
  })
  return {
    collected: (bytes) => collected.inc(bytes),
    answered: (method, status) => requests.inc({ method, status: `${Math.floor(status / 100)}xx` })
  }
}
