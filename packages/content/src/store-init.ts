import type { KeyObject } from 'node:crypto'
import type { Registry } from 'prom-client'

/** What a content store is opened with. */
export interface ContentStoreInit {
  /** Made when it is missing. One process at a time may use it. */
  readonly directory: string
  /**
   * Where whole blobs are, when another process keeps them: they are read, and nothing is written or removed there.
   * @default `blobs` in the directory
   */
  readonly blobs?: string
  /** Ed25519 private key that signs the chunk maps of ingested blobs. Without it only blobs of one chunk have one. */
  readonly signer?: KeyObject
  /** Bytes on disk from which the least recently used blobs are removed. Without it, nothing is removed. */
  readonly limitBytes?: number
  /** Where the store's metrics are registered. */
  readonly metrics?: Registry
  /** Memory for chunks that arrived lately, bytes; 0 keeps none. @default RECENT_CHUNKS_BYTES, 32 MiB */
  readonly recentBytes?: number
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/** How full a store is. */
export interface StoreUsage {
  /** Bytes on disk, whole and partial blobs. */
  readonly bytes: number
  /** Number of whole blobs. */
  readonly blobs: number
  readonly limitBytes?: number
}
