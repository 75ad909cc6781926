import type { LoadKind } from './load-job.ts'
import type { RegistryBenchOptions } from './options.ts'

/** What is pushed and pulled in one kind of cell. */
export interface Subject {
  readonly name: string
  /** Bytes; 0 for manifests, which are small. */
  readonly size: number
  /** Different blobs that the pulls ask for. */
  readonly seeds: number
  readonly cells: readonly Cell[]
}

/** One measurement: so many requests of a kind, so many at a time. */
export interface Cell {
  readonly kind: LoadKind
  readonly concurrency: number
  readonly count: number
  /** Milliseconds after which what is under way is cut off. */
  readonly budgetMs: number
}

const BUDGET_MS = 60_000
/** 64 blobs of 1 GB would fill the disk and take minutes: they are cut off, and what came until then is counted. */
const HUGE_BUDGET_MS = 15_000
/** Payload of a cell from which it is that much, bytes. */
const HUGE_BYTES = 10e9

const SUBJECTS: readonly Subject[] = [
  { name: 'manifest', size: 0, seeds: 0, cells: [...at(1, 1000, 1000), ...at(8, 1000, 1000), ...at(64, 1000, 1000)] },
  { name: '1MB', size: 1e6, seeds: 4, cells: [...at(1, 100, 400), ...at(8, 400, 2000), ...at(64, 640, 2000)] },
  { name: '10MB', size: 10e6, seeds: 4, cells: [...at(1, 20, 60), ...at(8, 64, 200), ...at(64, 128, 256)] },
  { name: '1GB', size: 1e9, seeds: 1, cells: [...at(1, 2, 2), ...at(8, 8, 8), ...at(64, 64, 64)] }
]

const QUICK_SUBJECTS: readonly Subject[] = [
  { name: 'manifest', size: 0, seeds: 0, cells: [...at(8, 200, 200)] },
  { name: '1MB', size: 1e6, seeds: 4, cells: [...at(1, 20, 50), ...at(64, 128, 256)] },
  { name: '10MB', size: 10e6, seeds: 4, cells: [...at(8, 16, 32)] }
]

/** What a run with these options measures. @throws Error for a size that there is not */
export function chooseSubjects(options: RegistryBenchOptions): Subject[] {
  const subjects = options.quick ? QUICK_SUBJECTS : SUBJECTS
  const unknown = options.sizes.find((size) => !subjects.some(({ name }) => name === size))
  if (unknown !== undefined) {
    throw new Error(`--size is ${unknown}; there are ${subjects.map(({ name }) => name).join(', ')}`)
  }
  const chosen = subjects.filter(({ name }) => options.sizes.length === 0 || options.sizes.includes(name))
  return chosen.map((subject) => ({ ...subject, cells: subject.cells.map((cell) => fitted(cell, subject)) }))
}

/** A push and a pull with this concurrency. The pulls of manifests ask for what the push before them brought. */
function at(concurrency: number, pushes: number, pulls: number): Cell[] {
  return [
    { kind: 'push-blobs', concurrency, count: pushes, budgetMs: BUDGET_MS },
    { kind: 'pull-blobs', concurrency, count: pulls, budgetMs: BUDGET_MS }
  ]
}

function fitted(cell: Cell, { size }: Subject): Cell {
  if (size === 0) return { ...cell, kind: cell.kind === 'push-blobs' ? 'push-manifests' : 'pull-manifests' }
  return size * cell.count > HUGE_BYTES ? { ...cell, budgetMs: HUGE_BUDGET_MS } : cell
}
