const BITS_PER_BYTE = 8
const BITS_PER_MBIT = 1e6

/** Nodes that want the same bytes. */
export interface Demand {
  readonly bytes: number
  readonly nodes: number
}

/** The lines over which demands are met, Mbit/s. */
export interface Lines {
  readonly registryMbit: number
  /** Of the nodes that want something, and of those that have it already: what all of them together send. */
  readonly upMbit: number
  /** What a node receives at most. */
  readonly downMbit: number
}

/**
 * The least time for several blobs at once, in seconds: each bit leaves the registry once, each node receives what it
 * wants, and all copies leave from somewhere. For one blob this is `fluidBoundSeconds`.
 *
 * @param holdersUpMbit what those who have the bytes beside the registry send
 */
export function demandBoundSeconds(demands: readonly Demand[], lines: Lines, holdersUpMbit = 0): number {
  const distinct = sum(demands.map(({ bytes }) => bytes))
  const copies = sum(demands.map(({ bytes, nodes }) => bytes * nodes))
  const most = Math.max(0, ...demands.map(({ bytes }) => bytes))
  const { registryMbit, upMbit, downMbit } = lines
  return Math.max(
    seconds(distinct, registryMbit + holdersUpMbit),
    seconds(most, downMbit),
    seconds(copies, registryMbit + upMbit + holdersUpMbit)
  )
}

/** The least time for bytes to come into each of `zones` zones, from one of them, where each pair has a line each way. */
export function zoneBoundSeconds(bytes: number, zones: number, zoneMbit: number): number {
  return zones < 2 ? 0 : seconds(bytes, (zones - 1) * zoneMbit)
}

function seconds(bytes: number, mbit: number): number {
  return (bytes * BITS_PER_BYTE) / BITS_PER_MBIT / mbit
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
