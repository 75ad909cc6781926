import type { Outcome } from './outcome.ts'

/** One run. */
export interface SimCell {
  readonly scenario: string
  readonly nodes: number
  readonly chunks: number
  readonly nodeMbit: number
  /** The registry's link where the scenario leaves it open. */
  readonly registryMbit: number
  readonly seed: number
  /** Pieces into which a chunk is cut at most. */
  readonly pieces: number
}

const CHUNKS_OF_256_KIB = 181
const SMALL_CHUNK_BYTES = 256 * 1024
const LARGE_CHUNK_BYTES = 4 * 1024 * 1024
const NODE_MBIT = 1000

/** The size of a blob that the product cuts into so many chunks, bytes. Between the two kinds there is none for some numbers. */
export function blobBytes(chunks: number): number {
  return chunks * (chunks <= CHUNKS_OF_256_KIB ? SMALL_CHUNK_BYTES : LARGE_CHUNK_BYTES)
}

function cell(scenario: string, nodes: number, chunks: number): SimCell {
  return { scenario, nodes, chunks, nodeMbit: NODE_MBIT, registryMbit: NODE_MBIT, seed: 1, pieces: 8 }
}

/** Every scenario, small: shows that all of it works. */
export const QUICK_CELLS: readonly SimCell[] = [
  cell('flash', 10, 64),
  cell('flash', 100, 64),
  cell('flash-fast-seed', 40, 64),
  cell('rolling', 40, 64),
  cell('churn', 40, 64),
  cell('slow', 40, 64),
  cell('liars', 40, 64),
  cell('registry-lost', 40, 64),
  cell('zones', 40, 64),
  cell('layers', 20, 64),
  cell('images', 40, 64)
]

/** What is run when nothing is asked for. */
export const FULL_CELLS: readonly SimCell[] = [
  cell('flash', 10, 256),
  cell('flash', 100, 256),
  cell('flash', 1000, 256),
  cell('flash-fast-seed', 10, 256),
  cell('flash-fast-seed', 100, 256),
  cell('flash-fast-seed', 1000, 256),
  cell('rolling', 100, 256),
  cell('churn', 100, 256),
  cell('slow', 100, 256),
  cell('liars', 100, 256),
  cell('registry-lost', 100, 256),
  cell('zones', 100, 256),
  cell('layers', 100, 256),
  cell('images', 100, 256)
]

/** What is promised. */
export interface Target {
  readonly scenario: string
  readonly nodes: number
  /** Time over the bound at the 99th percentile. */
  readonly p99: number
  readonly what: string
  /** What else must hold. */
  readonly holds: (outcome: Outcome) => boolean
}

const MAX_CONTROL_SHARE = 0.02

/** The targets, each for an image of 256 chunks. */
export const TARGETS: readonly Target[] = [
  {
    scenario: 'flash',
    nodes: 10_000,
    p99: 1.15,
    what: 'seed ≤ 1.10 copies, control ≤ 2 %',
    holds: (outcome) => outcome.seedCopies <= 1.1 && outcome.controlShare <= MAX_CONTROL_SHARE
  },
  {
    scenario: 'flash-fast-seed',
    nodes: 10_000,
    p99: 1.25,
    what: 'seed ≤ 3 copies',
    holds: (outcome) => outcome.seedCopies <= 3
  },
  { scenario: 'churn', nodes: 1000, p99: 1.3, what: 'those who stay', holds: (outcome) => outcome.unfinished === 0 },
  { scenario: 'liars', nodes: 1000, p99: 1.25, what: 'all finish', holds: (outcome) => outcome.unfinished === 0 },
  {
    scenario: 'zones',
    nodes: 1000,
    p99: 1.2,
    what: '≤ 1.1 copies over each thin link',
    holds: (outcome) => (outcome.zoneLinkCopies ?? 0) <= 1.1
  }
]

/** The runs that the targets speak of, and smaller ones beside the largest. */
export const TARGET_CELLS: readonly SimCell[] = [
  cell('flash', 100, 256),
  cell('flash', 1000, 256),
  cell('flash-fast-seed', 1000, 256),
  cell('churn', 1000, 256),
  cell('liars', 1000, 256),
  cell('zones', 1000, 256),
  cell('flash', 10_000, 256),
  cell('flash-fast-seed', 10_000, 256)
]
