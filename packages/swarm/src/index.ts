/**
 * The mesh: nodes that find each other and trade the chunks of blobs.
 *
 * A node is made by {@link createRegistrySwarm} or {@link createAgentSwarm}; the rest of this door is what they are
 * made with. Nothing here reads files or settings that it was not handed.
 *
 * @example
 *
 * ```ts
 * const swarm = await createAgentSwarm(init)
 * await swarm.start()
 * const source = await swarm.fetch(digest, { signal }) // readable in order while chunks still arrive
 * ```
 *
 * @packageDocumentation
 */
export { type AgentSwarm, type AgentSwarmInit, createAgentSwarm } from './agent-swarm.ts'
export { DownloadStalledError, UnprovenSizeError } from './blob/download-errors.ts'
export type { DownloadProgress } from './blob/download-init.ts'
export type { LinkedPeer } from './blob/exchange.ts'
export type { Fallback, OfferedChunkMap } from './blob/fallback.ts'
export { BlobNotFoundError } from './blob/map-search.ts'
export { type Clock, systemClock } from './clock.ts'
export { type Identity, IdentityError, identityFromKey, loadIdentity } from './identity.ts'
export { LaneListenError } from './lane/lane-server.ts'
export { type Logger, silentLogger } from './logger.ts'
export {
  formatJoinToken,
  type JoinToken,
  JoinTokenError,
  loadJoinToken,
  parseJoinToken
} from './membership/join-token.ts'
export type { MembershipState } from './membership/membership.ts'
export type { LaneConfig, MeshInit } from './mesh.ts'
export { type ListenAddress, tcpMultiaddr } from './node/listen-addresses.ts'
export { RateLimiter } from './rate-limiter.ts'
export {
  isRefusal,
  PROBE_INTERVAL_MS,
  RegistryBreaker,
  type RegistryBreakerInit,
  retryAfterOf
} from './registry-breaker.ts'
export { createRegistrySwarm, type RegistrySwarm, type RegistrySwarmInit } from './registry-swarm.ts'
export {
  type ByteLane,
  type ByteOrigin,
  type ByteReceiver,
  createTransferMetrics,
  type TransferMetrics,
  type TransferTotals
} from './transfer-metrics.ts'
