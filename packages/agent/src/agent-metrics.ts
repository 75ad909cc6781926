import { Counter, Histogram, type Registry } from 'prom-client'

/** How a blob request ended, or how it was served. */
export type BlobResult = 'hit' | 'joined' | 'fetched' | 'missing' | 'failed'

/** First bytes come within milliseconds from the store and within seconds from a far registry. */
const FIRST_BYTE_BUCKETS_SECONDS = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10]
/** Whole blobs take as long as the network does. */
const BLOB_BUCKETS_SECONDS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300]

/** What the mirror counts. */
export interface AgentMetrics {
  /** A request for a blob was answered. */
  request(result: BlobResult): void
  firstByte(seconds: number): void
  blob(seconds: number): void
  /** A tag was answered from memory because the registry could not be reached. */
  staleTag(): void
}

/** Makes the mirror's metrics on `register`. */
export function createAgentMetrics(register: Registry): AgentMetrics {
  const registers = [register]
  const requests = new Counter({
    name: 'shoal_blob_requests_total',
    help: 'Requests for blobs, by how they were answered',
    labelNames: ['result'] as const,
    registers
  })
  const firstByte = new Histogram({
    name: 'shoal_blob_first_byte_seconds',
    help: 'Time from a request for a blob to its first byte',
    buckets: FIRST_BYTE_BUCKETS_SECONDS,
    registers
  })
  const blob = new Histogram({
    name: 'shoal_blob_seconds',
    help: 'Time from a request for a blob to its last byte',
    buckets: BLOB_BUCKETS_SECONDS,
    registers
  })
  const stale = new Counter({
    name: 'shoal_stale_tags_total',
    help: 'Tags answered from memory because the registry could not be reached',
    registers
  })
  return {
    request: (result) => requests.inc({ result }),
    firstByte: (seconds) => firstByte.observe(seconds),
    blob: (seconds) => blob.observe(seconds),
    staleTag: () => stale.inc()
  }
}
