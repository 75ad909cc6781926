import { runPlan } from '../simulate/run-plan.ts'
import { SCENARIOS } from '../simulate/scenarios/scenarios.ts'
import { DEFAULT_SHAPE } from '../simulate/world-shape.ts'
import { QUEUE_MS, type TruthCell } from './pull-for-real.ts'

/** A frame of 1514 bytes has 1448 of payload, and TLS adds 22 to each 16 KiB. */
const WIRE_FACTOR = (1514 / 1448) * (1 + 22 / 16_384)
/** From namespace to namespace over a bridge, one way. */
const LATENCY_MS = 0.05
/** Pieces are those of the product. */
const PIECES = 64

/** The same cell in the simulator. */
export async function pullSimulated(cell: TruthCell, seed: number) {
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
  return await runPlan(flash.plan({ nodes: cell.nodes, bytes: cell.bytes, nodeMbit: cell.nodeMbit, shape }))
}
