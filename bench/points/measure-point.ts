import { within } from '../../test/harness/deadline.ts'
import type { RunWorkspace } from '../../test/harness/run-workspace.ts'
import type { PointCell, PointSubject } from '../swarm/cells.ts'
import type { Images } from '../swarm/images.ts'
import type { PointResult } from '../swarm/results.ts'
import { fitsInMemory } from '../swarm/site.ts'
import { measureMemory } from './memory.ts'
import { measurePeerToPeer } from './peer-to-peer.ts'
import { BYTES_PER_MB, type Figures, type Point } from './point.ts'
import { measureRateLimits } from './rate-limits.ts'
import { measureWarmStore } from './warm-store.ts'

const POINTS: Readonly<Record<PointSubject, Point>> = {
  'peer-to-peer': measurePeerToPeer,
  'warm-store': measureWarmStore,
  memory: measureMemory,
  'rate-limits': measureRateLimits
}
/** Copies of the image that the processes of a point keep, besides one for each round. */
const STORED_COPIES = 3

/** What measuring needs. */
export interface MeasurePointInit {
  readonly workspace: RunWorkspace
  readonly images: Images
  readonly deadlineMs: number
}

/** Measures a point. A failure is part of the result. */
export async function measurePoint(cell: PointCell, init: MeasurePointInit): Promise<PointResult> {
  const { workspace, images, deadlineMs } = init
  const startedAt = performance.now()
  const stored = cell.megabytes * BYTES_PER_MB * (STORED_COPIES + cell.rounds)
  const room = workspace.room(cell.subject, { inMemory: await fitsInMemory(stored) })
  let figures: Figures = {}
  let error: string | undefined
  try {
    const measuring = POINTS[cell.subject]({ cell, room, images, deadlineMs })
    figures = await within(measuring, { deadlineMs, what: cell.name })
  } catch (cause) {
    error = cause instanceof Error ? cause.message : String(cause)
  } finally {
    room.close()
  }
  const seconds = (performance.now() - startedAt) / 1000
  return { cell, figures, seconds, ...(error === undefined ? {} : { error }) }
}
