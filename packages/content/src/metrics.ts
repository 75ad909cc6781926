import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'
import type { ChunkBuffers } from './chunk-buffers.ts'

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

/** Shows the memory for sending as it is when somebody looks. */
export function measureSendBuffers(
  register: Registry | undefined,
  buffers: { readonly usedBytes: number; readonly freeBytes: number }
): void {
  if (register === undefined) return
  new Gauge({
    name: 'shoal_send_buffer_bytes',
    help: 'Memory for sending blobs to clients, in use and kept for the next',
    labelNames: ['state'],
    registers: [register],
    collect() {
      this.set({ state: 'used' }, buffers.usedBytes)
      this.set({ state: 'free' }, buffers.freeBytes)
    }
  })
}

/** Shows the memory for chunks as it is when somebody looks. */
export function measureChunkBuffers(register: Registry | undefined, buffers: ChunkBuffers): void {
  if (register === undefined) return
  new Gauge({
    name: 'shoal_chunk_buffer_bytes',
    help: 'Memory for chunks on their way, held and kept for the next',
    labelNames: ['state'],
    registers: [register],
    collect() {
      this.set({ state: 'used' }, buffers.usedBytes)
      this.set({ state: 'free' }, buffers.freeBytes)
    }
  })
}
