/**
 * The parts of a node that do not touch the network or the disk by themselves. Only for the simulator, which runs them in
 * virtual time; everything else is made by the functions of the front door.
 *
 * @packageDocumentation
 */
export { Exchange, type ExchangeInit } from './blob/exchange.ts'
export type { ExchangeStore } from './blob/exchange-store.ts'
export { REPEAT_AFTER_MS } from './blob/repeat-gate.ts'
export { RendezvousClient } from './discovery/rendezvous-client.ts'
export { RendezvousServer } from './discovery/rendezvous-server.ts'
export { Bans } from './exchange/bans.ts'
export type { ChunkHeader, PeerAddress } from './exchange/frame.ts'
export { CHUNK_FRAME_HEADER_BYTES, encodeFrame, FRAME_HEADER_BYTES, MAX_PIECE_BYTES } from './exchange/frame.ts'
export type { PieceSink } from './exchange/frame-parser.ts'
export type { Lane } from './exchange/lane.ts'
export type { ExchangeFrame, Link, LinkHandler, LinkInit, OutgoingChunk } from './exchange/link.ts'
export type { Certificate, Role } from './membership/certificate.ts'
export { Neighbourhood } from './node/neighbourhood.ts'
export { RateLimiter } from './rate-limiter.ts'
export type { SwarmMetrics } from './swarm-metrics.ts'
