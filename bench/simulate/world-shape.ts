/** What a network and its nodes are like, and what chance is drawn from. */
export interface WorldShape {
  readonly seed: number
  /** The registry's link, both ways. */
  readonly registryMbit: number
  /** One way between two nodes of a zone, ms. */
  readonly latencyMs: number
  /** One way between two zones, ms. */
  readonly zoneLatencyMs: number
  /** How long a message waits at most in the queue of a line that is busy with chunks, ms. */
  readonly queueMs: number
  readonly zones: number
  /** From each zone to each other, Mbit/s; undefined for as much as the nodes can. */
  readonly zoneMbit: number | undefined
  /** Bytes on the wire for a byte of payload. */
  readonly wireFactor: number
  /** Payload that a connection takes before its user has to wait, bytes. */
  readonly windowBytes: number
  /** Pieces into which a chunk is cut at most. */
  readonly piecesPerChunk: number
  /** How fast a node hashes and writes chunks, Mbit/s. */
  readonly diskMbit: number
  /** How often the registry sends a chunk at most; undefined for as often as needed. */
  readonly seedCopies: number | undefined
}

/** A data centre as it is common today. */
export const DEFAULT_SHAPE: WorldShape = {
  seed: 1,
  registryMbit: 1000,
  latencyMs: 0.25,
  zoneLatencyMs: 2,
  queueMs: 5,
  zones: 1,
  zoneMbit: undefined,
  wireFactor: 1,
  windowBytes: 512 * 1024,
  piecesPerChunk: 8,
  // A core hashes 1.8 GB/s and a disk's cache takes 1.4 GB/s, one after the other.
  diskMbit: 6400,
  seedCopies: undefined
}
