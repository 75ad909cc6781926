import { Counter, Gauge, type Registry } from 'prom-client'

/** What the registry counts beside the bytes. */
export interface RegistryMetrics {
  /** A request was answered, or given up by its client. */
  answered(method: string, status: number): void
  /** So many bytes of garbage were removed. */
  collected(bytes: number): void
}

/**
 * Makes `shoal_registry_requests_total{method,status}`, `shoal_registry_uploads` and
 * `shoal_registry_collected_bytes_total` on `register`.
 *
 * @param uploads tells how many uploads are under way
 */
export function createRegistryMetrics(register: Registry, uploads: () => number): RegistryMetrics {
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
      this.set(uploads())
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
