/** What happens in a cell. */
export type SwarmMode = 'cold' | 'rolling' | 'warm' | 'registry-lost' | 'peers-vanish'

/** One image, one network, one way of pulling it; measured with each of its systems. */
export interface SwarmCell {
  readonly kind: 'swarm'
  readonly name: string
  readonly mode: SwarmMode
  /** Size of the image in 10^6 bytes. */
  readonly megabytes: number
  readonly layers: number
  readonly nodes: number
  readonly registryMbit: number
  readonly rounds: number
  readonly systems: readonly string[]
}

/** A question that is not asked of a swarm. */
export type PointSubject = 'peer-to-peer' | 'warm-store' | 'memory' | 'rate-limits'

/** A measurement of few processes without shaped links. */
export interface PointCell {
  readonly kind: 'point'
  readonly name: string
  readonly subject: PointSubject
  readonly megabytes: number
  readonly layers: number
  readonly rounds: number
}

/** A line of the benchmark. */
export type Cell = SwarmCell | PointCell

/** Both directions of every node's link. */
export const NODE_LINK_MBIT = 1000
/** How many parts a rolling pull comes in. */
export const ROLLING_WAVES = 5
/** The share of the peers that vanish. */
export const VANISHING_SHARE = 0.3

const PLAIN = ['nginx']
const ALL = ['nginx', 'docker-registry', 'shoal', 'shoal-plain', 'shoal-libp2p']
const AGAINST_PLAIN = ['nginx', 'shoal']
const LANES = ['shoal', 'shoal-plain', 'shoal-libp2p']

/** Makes a cell, and a name that says all about it. */
export function swarmCell(
  mode: SwarmMode,
  nodes: number,
  megabytes: number,
  layers: number,
  registryMbit: number,
  rest: { readonly rounds: number; readonly systems: readonly string[] }
): SwarmCell {
  const name = `${mode}-${nodes}n-${megabytes}MB-${layers}l-${registryMbit}mbit`
  return { kind: 'swarm', name, mode, nodes, megabytes, layers, registryMbit, ...rest }
}

/** The whole run: an hour at most. What says the same as another cell, or takes plain HTTP ten minutes, is not here. */
export const FULL_CELLS: readonly Cell[] = [
  // One node has nobody to share with: what the way through an agent costs.
  swarmCell('cold', 1, 1, 1, 200, { rounds: 9, systems: AGAINST_PLAIN }),
  swarmCell('cold', 1, 1, 1, 1000, { rounds: 9, systems: AGAINST_PLAIN }),
  swarmCell('cold', 1, 100, 1, 1000, { rounds: 3, systems: AGAINST_PLAIN }),
  // A small image.
  swarmCell('cold', 8, 10, 1, 200, { rounds: 5, systems: ALL }),
  swarmCell('cold', 8, 10, 4, 200, { rounds: 5, systems: AGAINST_PLAIN }),
  // By the number of nodes.
  swarmCell('cold', 1, 100, 4, 200, { rounds: 3, systems: ALL }),
  swarmCell('cold', 4, 100, 4, 200, { rounds: 2, systems: ALL }),
  swarmCell('cold', 8, 100, 4, 200, { rounds: 2, systems: ALL }),
  swarmCell('cold', 16, 100, 4, 200, { rounds: 1, systems: ALL }),
  // By the registry's link.
  swarmCell('cold', 8, 100, 4, 100, { rounds: 1, systems: AGAINST_PLAIN }),
  swarmCell('cold', 8, 100, 4, 1000, { rounds: 2, systems: ALL }),
  // The image that the first target speaks of.
  swarmCell('cold', 8, 1000, 4, 200, { rounds: 1, systems: [...PLAIN, ...LANES] }),
  swarmCell('cold', 8, 1000, 1, 200, { rounds: 1, systems: ['shoal'] }),
  swarmCell('cold', 4, 1000, 4, 1000, { rounds: 1, systems: ['nginx', 'shoal', 'shoal-plain'] }),
  // What happens in a cluster.
  swarmCell('rolling', 8, 100, 4, 200, { rounds: 1, systems: ['nginx', 'shoal', 'shoal-libp2p'] }),
  swarmCell('warm', 8, 100, 4, 200, { rounds: 2, systems: AGAINST_PLAIN }),
  swarmCell('registry-lost', 8, 100, 4, 200, { rounds: 2, systems: LANES }),
  swarmCell('peers-vanish', 10, 100, 4, 200, { rounds: 2, systems: ['shoal', 'shoal-libp2p'] }),
  swarmCell('peers-vanish', 10, 1000, 4, 200, { rounds: 1, systems: ['shoal'] }),
  { kind: 'point', name: 'peer-to-peer', subject: 'peer-to-peer', megabytes: 1000, layers: 1, rounds: 5 },
  { kind: 'point', name: 'warm-store', subject: 'warm-store', megabytes: 1000, layers: 1, rounds: 5 },
  { kind: 'point', name: 'memory', subject: 'memory', megabytes: 10_000, layers: 8, rounds: 1 },
  { kind: 'point', name: 'rate-limits', subject: 'rate-limits', megabytes: 100, layers: 4, rounds: 2 }
]

/** A run of three minutes at most that touches all that the whole run does; its figures mean little. */
export const QUICK_CELLS: readonly Cell[] = [
  swarmCell('cold', 3, 10, 4, 200, { rounds: 1, systems: ['nginx', 'docker-registry', 'shoal'] }),
  swarmCell('rolling', 3, 10, 1, 200, { rounds: 1, systems: ['shoal'] }),
  swarmCell('warm', 2, 10, 1, 200, { rounds: 1, systems: ['shoal'] }),
  swarmCell('registry-lost', 3, 20, 4, 200, { rounds: 1, systems: ['shoal'] }),
  swarmCell('peers-vanish', 3, 20, 4, 100, { rounds: 1, systems: ['shoal'] }),
  { kind: 'point', name: 'peer-to-peer-quick', subject: 'peer-to-peer', megabytes: 100, layers: 1, rounds: 1 },
  { kind: 'point', name: 'warm-store-quick', subject: 'warm-store', megabytes: 100, layers: 1, rounds: 1 },
  { kind: 'point', name: 'memory-quick', subject: 'memory', megabytes: 80, layers: 8, rounds: 1 },
  { kind: 'point', name: 'rate-limits-quick', subject: 'rate-limits', megabytes: 20, layers: 1, rounds: 1 }
]
