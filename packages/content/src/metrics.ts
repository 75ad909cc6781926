import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'

/** What the store counts. */
export interface StoreMetrics {
  /** Bytes on disk, whole and partial blobs. */
  stored(bytes: number): void
  evicted(bytes: number): void
  evictionFailed(): void
}

/** Without a registry nothing is counted. One store may use one registry. */
export function createStoreMetrics(register: Registry | undefined): StoreMetrics {
  if (register === undefined) {
    return { stored: () => undefined, evicted: () => undefined, evictionFailed: () => undefined }
  }
  const registers = [register]
  const stored = new Gauge({ name: 'shoal_store_bytes', help: 'Bytes of blobs on disk, whole and partial', registers })
  const evicted = new Counter({
    name: 'shoal_store_evicted_bytes_total',
    help: 'Bytes of blobs removed to stay below the limit',
    registers
  })
  const failures = new Counter({
    name: 'shoal_store_eviction_failures_total',
    help: 'Blobs that could not be removed when space was needed',
    registers
  })
  return {
    stored: (bytes) => stored.set(bytes),
    evicted: (bytes) => evicted.inc(bytes),
    evictionFailed: () => failures.inc()
  }
}
