import { runPlan } from '../simulate/run-plan.ts'
import { SCENARIOS } from '../simulate/scenarios/scenarios.ts'
import { DEFAULT_SHAPE } from '../simulate/world-shape.ts'
import type { Figures, TruthCell } from './figures.ts'
import { QUEUE_MS } from './pull-for-real.ts'

/** A frame of 1514 bytes has 1448 of payload, and TLS adds 22 to each 16 KiB. */
const WIRE_FACTOR = (1514 / 1448) * (1 + 22 / 16_384)
/** From namespace to namespace over a bridge, one way. */
const LATENCY_MS = 0.05
/** Pieces are those of the product. */
const PIECES = 64

/** The same cell in the simulator. @throws Error when a node did not get its image */
export async function pullSimulated(cell: TruthCell, seed: number): Promise<Figures> {
  const flash = SCENARIOS.find(({ name }) => name === 'flash')
  if (flash === undefined) throw new Error('there is no scenario flash')
  const shape = {
    ...DEFAULT_SHAPE,
    seed,
    registryMbit: cell.registryMbit,
    wireFactor: WIRE_FACTOR,
    latencyMs: LATENCY_MS,
    queueMs: QUEUE_MS,
    piecesPerChunk: PIECES
  }
  const plan = flash.plan({ nodes: cell.nodes, bytes: cell.bytes, nodeMbit: cell.nodeMbit, shape })
  const { p50Seconds, p99Seconds, seedCopies, unfinished } = await runPlan(plan)
  if (p50Seconds === undefined || p99Seconds === undefined || unfinished > 0) {
    throw new Error(`${unfinished} simulated nodes did not get their image`)
  }
  return { p50: p50Seconds, p99: p99Seconds, seedCopies }
}
