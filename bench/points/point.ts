import type { Room } from '../../test/harness/run-workspace.ts'
import type { PointCell } from '../swarm/cells.ts'
import type { Images } from '../swarm/images.ts'

/** Where a point is measured. */
export interface PointStage {
  readonly cell: PointCell
  readonly room: Room
  readonly images: Images
  readonly deadlineMs: number
}

/** Figures by name; the name ends with the unit. */
export type Figures = Record<string, number>

/** Measures something that is not a swarm's. */
export type Point = (stage: PointStage) => Promise<Figures>

/** 10^6 bytes. */
export const BYTES_PER_MB = 1e6
/** 10^9 bytes. */
export const BYTES_PER_GB = 1e9
