import type { TransferMetrics } from '@shoal/swarm'
import { Counter, Gauge, type Registry } from 'prom-client'

/** How a request to an upstream ended. */
export type UpstreamResult = 'ok' | 'missing' | 'refused' | 'failed'
/** How the fetching of a blob ended: `wrong` counts each time that its digest was not right. */
export type FillResult = 'filled' | 'failed' | 'wrong'

/** What the proxy counts. */
export interface ProxyMetrics {
  request(host: string, result: UpstreamResult): void
  /** Bytes of blobs and manifests came from an upstream, right or wrong. */
  bytes(host: string, bytes: number): void
  fill(host: string, result: FillResult): void
  /** So many bytes came from an upstream and were right. */
  verified(bytes: number): void
  /** Something was served as it was known, because its upstream could not be asked. */
  stale(host: string): void
}

/** What the proxy tells of itself when metrics are asked for. */
export interface ProxyGauges {
  upstreams(): readonly { host: string; up: boolean; running: number; waiting: number }[]
  fills(): number
}

/**
 * Makes `shoal_upstream_requests_total{host,result}`, `shoal_upstream_bytes_total{host}`,
 * `shoal_upstream_fills_total{host,result}`, `shoal_upstream_stale_total{host}`, `shoal_upstream_up{host}`,
 * `shoal_upstream_queue{host,state}` and `shoal_upstream_fills` on `register`.
 */
export function createProxyMetrics(
  register: Registry,
  transfer: Pick<TransferMetrics, 'received'>,
  gauges: ProxyGauges
): ProxyMetrics {
  const registers = [register]
  const requests = new Counter({
    name: 'shoal_upstream_requests_total',
    help: 'Requests to upstreams, by result',
    labelNames: ['host', 'result'] as const,
    registers
  })
  const bytes = new Counter({
    name: 'shoal_upstream_bytes_total',
    help: 'Bytes of blobs and manifests read from upstreams, right or wrong',
    labelNames: ['host'] as const,
    registers
  })
  const fills = new Counter({
    name: 'shoal_upstream_fills_total',
    help: 'Blobs fetched from upstreams, by result',
    labelNames: ['host', 'result'] as const,
    registers
  })
  const stale = new Counter({
    name: 'shoal_upstream_stale_total',
    help: 'Answers from the cache because the upstream could not be asked',
    labelNames: ['host'] as const,
    registers
  })
  new Gauge({
    name: 'shoal_upstream_up',
    help: 'Whether an upstream answers: 1, or 0 while it is not asked',
    labelNames: ['host'] as const,
    registers,
    collect() {
      for (const { host, up } of gauges.upstreams()) this.set({ host }, up ? 1 : 0)
    }
  })
  new Gauge({
    name: 'shoal_upstream_queue',
    help: 'Requests to an upstream that run and that wait',
    labelNames: ['host', 'state'] as const,
    registers,
    collect() {
      for (const { host, running, waiting } of gauges.upstreams()) {
        this.set({ host, state: 'running' }, running)
        this.set({ host, state: 'waiting' }, waiting)
      }
    }
  })
  new Gauge({
    name: 'shoal_upstream_fills',
    help: 'Blobs that are being fetched from upstreams',
    registers,
    collect() {
      this.set(gauges.fills())
    }
  })
  return {
    request: (host, result) => requests.inc({ host, result }),
    bytes: (host, count) => bytes.inc({ host }, count),
    fill: (host, result) => fills.inc({ host, result }),
    verified: (count) => transfer.received('upstream', count),
    stale: (host) => stale.inc({ host })
  }
}
