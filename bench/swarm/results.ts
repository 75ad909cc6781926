import type { PointCell, SwarmCell } from './cells.ts'

/** What one node's pull took, in seconds. */
export interface PullResult {
  readonly node: string
  readonly seconds: number
  /** From the request of the first layer to its first byte. */
  readonly firstByteSeconds: number
  readonly manifestSeconds: number
}

/** What a process cost. */
export interface ProcessResult {
  readonly role: string
  readonly node: string
  readonly cpuSeconds: number
  readonly peakBytes: number
}

/** One image pulled once by all nodes. */
export interface RoundResult {
  /** Of the nodes that count and whose pull did not fail. */
  readonly pulls: readonly PullResult[]
  /** Why pulls failed, one for each. */
  readonly failures: readonly string[]
  /** From the start of the first pull to the end of the last. */
  readonly seconds: number
  /** Bytes over the registry's link, headers included. */
  readonly registryBytes: number
  readonly processes: readonly ProcessResult[]
  /** Processor time of the clients that pulled. */
  readonly clientCpuSeconds: number
  /** Processor time of everything that ran on the machine meanwhile. */
  readonly machineCpuSeconds: number
  /** What was done to the system, for the report. */
  readonly events: readonly string[]
}

/** A cell as measured with one system. */
export interface SwarmResult {
  readonly cell: SwarmCell
  readonly system: string
  readonly rounds: readonly RoundResult[]
  readonly seconds: number
  /** Why there are no rounds. */
  readonly error?: string
}

/** A cell that is not a swarm's: figures with names that carry their unit. */
export interface PointResult {
  readonly cell: PointCell
  readonly figures: Readonly<Record<string, number>>
  readonly seconds: number
  readonly error?: string
}

/** All that a run has measured so far. */
export interface Results {
  readonly swarm: readonly SwarmResult[]
  readonly points: readonly PointResult[]
}
