import { blobBytes, type SimCell } from './cells.ts'
import type { Outcome } from './outcome.ts'
import { type RunPlanOptions, runPlan } from './run-plan.ts'
import { SCENARIOS } from './scenarios/scenarios.ts'
import { DEFAULT_SHAPE } from './world-shape.ts'

/** Simulates a cell. @throws Error when there is no such scenario */
export async function runCell(cell: SimCell, options?: RunPlanOptions): Promise<Outcome> {
  const scenario = SCENARIOS.find(({ name }) => name === cell.scenario)
  if (scenario === undefined) throw new Error(`there is no scenario ${cell.scenario}`)
  const { nodes, nodeMbit, registryMbit, seed, pieces } = cell
  const shape = { ...DEFAULT_SHAPE, seed, registryMbit, piecesPerChunk: pieces }
  return await runPlan(scenario.plan({ nodes, bytes: blobBytes(cell.chunks), nodeMbit, shape }), options)
}
