/**
 * The central registry: the OCI distribution API over a content store, with what agents ask of it besides.
 *
 * @example
 * ```ts
 * const registry = createRegistry({ store, directory, listen, anonymous: 'pull', adminPassword, seeder, ...rest })
 * await registry.start()
 * // docker push <registry.address>/team/app:1
 * await registry.stop()
 * ```
 */
export { ADMIN_USER, type Anonymous } from './access.ts'
export { restoreMetadata } from './backup/restore-metadata.ts'
export { readSnapshot, SnapshotError, type SnapshotHeader } from './backup/snapshot-text.ts'
export type { BlobStore } from './blob-store.ts'
export { EVENT_ACTIONS, type EventAction, type RegistryEvent } from './events/event.ts'
export type { EventFormat, Webhook } from './events/webhook.ts'
export type { ForeignAddresses } from './foreign/foreign-fetcher.ts'
export type { ForeignPolicy } from './foreign/foreign-proxy.ts'
export { DEFAULT_GRACE_MS } from './gc/gc-routes.ts'
export type { CollectionState } from './gc/state.ts'
export { MetadataOpenError } from './level-metadata.ts'
export type { SparseImages } from './manifest-handlers.ts'
export { BLOB_SIZE_HEADER, CHUNK_MAP_MEDIA_TYPE, type MeshAddress } from './mesh-routes.ts'
export type { SnapshotRecord } from './metadata.ts'
export type { Policy } from './policies.ts'
export { localPrefix } from './proxy/proxied-name.ts'
export type { UpstreamStatus } from './proxy/upstream.ts'
export type { UpstreamConfig } from './proxy/upstream-config.ts'
export type { ReadOnlyState } from './read-only/read-only.ts'
export {
  createRegistry,
  DEFAULT_FOREIGN_ADDRESSES,
  DEFAULT_FOREIGN_LAYERS,
  DEFAULT_SPARSE_IMAGES,
  type Registry,
  type RegistryInit
} from './registry.ts'
export type { Seeder } from './seeder.ts'
