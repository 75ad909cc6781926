import { percentile } from '../statistics.ts'

/** A network, and an image that all of its nodes pull at once. */
export interface TruthCell {
  readonly nodes: number
  readonly bytes: number
  readonly registryMbit: number
  readonly nodeMbit: number
}

/** How a pull by all nodes went: seconds from the request of the layer to its last byte, and what the registry sent, in images. */
export interface Figures {
  readonly p50: number
  readonly p99: number
  readonly seedCopies: number
}

/** Each figure's median. @throws RangeError when there are no rounds */
export function medians(rounds: readonly Figures[]): Figures {
  const median = (pick: (figures: Figures) => number) => percentile(rounds.map(pick), 50)
  return {
    p50: median(({ p50 }) => p50),
    p99: median(({ p99 }) => p99),
    seedCopies: median(({ seedCopies }) => seedCopies)
  }
}
