import { Counter, Gauge, type Registry } from 'prom-client'

/** What the registry counts beside the bytes. */
export interface RegistryMetrics {
  /** A request was answered, or given up by its client. */
  answered(method: string, status: number): void
}

/**
 * Makes `shoal_registry_requests_total{method,status}` and `shoal_registry_uploads` on `register`.
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
  return {
    answered: (method, status) => requests.inc({ method, status: `${Math.floor(status / 100)}xx` })
  }
}
