const BITS_PER_MBIT = 1e6
const BITS_PER_BYTE = 8

/** The links of a site, in Mbit/s. */
export interface FluidLinks {
  readonly seedUp: number
  /** What each node can send, and receive. */
  readonly nodeUp: number
  readonly nodeDown: number
}

/**
 * The least time in which any way of distributing can bring bytes to `nodes` more nodes, in seconds, when one seed and
 * `holders` nodes have them: each bit has to leave those who have it once, the slowest node has to receive all of them,
 * and all copies have to leave from somewhere. For bits that flow like water, this bound is reached (Kumar and Ross,
 * "Peer-assisted file distribution", 2006). Headers count for nothing here, so that what is measured always lies above.
 */
export function fluidBoundSeconds(bytes: number, nodes: number, links: FluidLinks, holders = 0): number {
  const megabits = (bytes * BITS_PER_BYTE) / BITS_PER_MBIT
  const holdersUp = links.seedUp + holders * links.nodeUp
  const allUp = holdersUp + nodes * links.nodeUp
  return Math.max(megabits / holdersUp, megabits / links.nodeDown, (nodes * megabits) / allUp)
}

/** Splits nodes into `waves` parts whose sizes differ by one at most; parts that would be empty are left out. */
export function splitIntoWaves<T>(nodes: readonly T[], waves: number): T[][] {
  const edge = (wave: number) => Math.round((wave * nodes.length) / waves)
  const parts = Array.from({ length: waves }, (_, wave) => nodes.slice(edge(wave), edge(wave + 1)))
  return parts.filter((part) => part.length > 0)
}

/** The least time for a rollout in waves of these sizes, each starting when the one before is done, in seconds. */
export function rollingBoundSeconds(bytes: number, waves: readonly number[], links: FluidLinks): number {
  let holders = 0
  let seconds = 0
  for (const nodes of waves) {
    seconds += fluidBoundSeconds(bytes, nodes, links, holders)
    holders += nodes
  }
  return seconds
}
