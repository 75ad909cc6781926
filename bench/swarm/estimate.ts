import { fluidBoundSeconds } from '../fluid-bound.ts'
import { type Cell, NODE_LINK_MBIT, type SwarmCell } from './cells.ts'

const BYTES_PER_MB = 1e6
const MB_PER_GB = 1000
const SITE_SECONDS = 2
const NODE_START_SECONDS = 0.2
const AGENT_START_SECONDS = 0.9
/** Making and pushing an image, and checking one copy of it. */
const PREPARE_SECONDS_PER_GB = 12
/** The image that is pulled before the clock starts, in 10^6 bytes. */
const WARM_UP_MB = 10
/** Much slower than was thought means stuck. */
const DEADLINE_FACTOR = 5
const SHORTEST_DEADLINE_SECONDS = 120
const POINT_SECONDS_PER_GB = { 'peer-to-peer': 12, 'warm-store': 6, memory: 20, 'rate-limits': 120 }
const POINT_START_SECONDS = 10

/** What an estimate has to know of a system. */
export interface EstimatedSystem {
  readonly peerToPeer: boolean
  readonly roughCpuSecondsPerGB: number
}

/** Roughly how long a cell takes with one system, start and preparation included, in seconds. */
export function estimateSwarmSeconds(cell: SwarmCell, system: EstimatedSystem, cores: number): number {
  const starts = cell.mode === 'registry-lost' || cell.mode === 'peers-vanish' ? cell.rounds : 1
  const start = SITE_SECONDS + cell.nodes * (system.peerToPeer ? AGENT_START_SECONDS : NODE_START_SECONDS)
  const gigabytes = cell.megabytes / MB_PER_GB
  const pull = pullSeconds(cell, cell.megabytes, system, cores) * (cell.mode === 'warm' ? 2 : 1)
  const warmUp = pullSeconds(cell, WARM_UP_MB, system, cores)
  return starts * (start + warmUp) + cell.rounds * (pull + gigabytes * PREPARE_SECONDS_PER_GB)
}

function pullSeconds(cell: SwarmCell, megabytes: number, system: EstimatedSystem, cores: number): number {
  const links = { seedUp: cell.registryMbit, nodeUp: system.peerToPeer ? NODE_LINK_MBIT : 0, nodeDown: NODE_LINK_MBIT }
  const byLinks = fluidBoundSeconds(megabytes * BYTES_PER_MB, cell.nodes, links)
  return Math.max(byLinks, ((megabytes / MB_PER_GB) * cell.nodes * system.roughCpuSecondsPerGB) / cores)
}

/** Roughly how long a cell that is not a swarm's takes, in seconds. */
export function estimatePointSeconds(cell: Exclude<Cell, SwarmCell>): number {
  return POINT_START_SECONDS + (POINT_SECONDS_PER_GB[cell.subject] * cell.megabytes * cell.rounds) / MB_PER_GB
}

/** How long a cell may take before it is given up, in milliseconds. */
export function deadlineMs(estimateSeconds: number): number {
  return Math.max(SHORTEST_DEADLINE_SECONDS, estimateSeconds * DEADLINE_FACTOR) * 1000
}

/** How much of a run is left, in seconds: what was thought of the rest, corrected by how wrong it was so far. */
export function secondsLeft(
  done: { readonly estimated: number; readonly took: number },
  restEstimated: number
): number {
  return done.estimated === 0 ? restEstimated : (restEstimated * done.took) / done.estimated
}
