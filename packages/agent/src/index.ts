/**
 * The node's mirror: a pull-through OCI registry on loopback that the container runtime asks first.
 *
 * {@link createAgent} puts the mirror on top of a content store and a place in the mesh. {@link RegistryFallback} is
 * what the mesh turns to when no peer can serve a blob.
 *
 * @packageDocumentation
 */
export { type Agent, type AgentInit, createAgent } from './agent.ts'
export { BlobNames } from './blob-names.ts'
export { RegistryFallback } from './registry-fallback.ts'
export type { UpstreamName } from './upstream-names.ts'
