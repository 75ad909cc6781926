import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { endToEnd } from '../../test/harness/requirements.ts'
import { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { type Figures, medians, type TruthCell } from '../truth/figures.ts'
import { pullForReal, type RealRound } from '../truth/pull-for-real.ts'
import { pullSimulated } from '../truth/pull-simulated.ts'

/** Rates are so low that the protocol decides and not the processors, which all nodes share. */
const CELLS: readonly TruthCell[] = [
  { nodes: 8, bytes: 8e6, registryMbit: 20, nodeMbit: 60 },
  { nodes: 16, bytes: 6e6, registryMbit: 10, nodeMbit: 20 }
]
const TOLERANCE = 0.1
const SIMULATED_ROUNDS = 5
const LEAST_ROUNDS = 3
/** TCP is not as fair as the simulator's, and a round in which a connection lags is slower: more are pulled until most agree. */
const MOST_ROUNDS = 9
/** A round with busier processors than this says nothing about the network. */
const MOST_BUSY = 0.6
const DEADLINE_MS = 60_000
const CELL_DEADLINE_MS = 180_000

describe('a simulated swarm', endToEnd(), () => {
  let workspace: RunWorkspace

  before(() => {
    workspace = RunWorkspace.open()
  })

  after(() => workspace?.close())

  for (const cell of CELLS) {
    it(`takes as long as a real one, and as much of the registry: ${cell.nodes} nodes`, {
      timeout: CELL_DEADLINE_MS
    }, async (t) => {
      const simulatedRounds: Figures[] = []
      for (let seed = 1; seed <= SIMULATED_ROUNDS; seed++) simulatedRounds.push(await pullSimulated(cell, seed))
      const simulated = medians(simulatedRounds)
      const rounds: RealRound[] = []
      const counted = () => rounds.filter(({ busyShare }) => busyShare <= MOST_BUSY)
      for await (const round of pullForReal(cell, workspace, { deadlineMs: DEADLINE_MS })) {
        t.diagnostic(`real: ${describeFigures(round)}, processors busy for ${percent(round.busyShare)}`)
        rounds.push(round)
        if (counted().length >= LEAST_ROUNDS && deviations(medians(counted()), simulated).length === 0) break
        if (rounds.length === MOST_ROUNDS) break
      }
      t.diagnostic(`simulated: ${describeFigures(simulated)}`)
      if (counted().length < LEAST_ROUNDS) {
        t.skip(
          `the processors were busy for more than ${percent(MOST_BUSY)} in ${rounds.length - counted().length} rounds`
        )
        return
      }
      assert.deepEqual(deviations(medians(counted()), simulated), [])
    })
  }
})

/** What of the real figures is further from the simulated ones than it may be. */
function deviations(real: Figures, simulated: Figures): string[] {
  return (['p50', 'p99', 'seedCopies'] as const)
    .filter((name) => Math.abs(simulated[name] / real[name] - 1) > TOLERANCE)
    .map((name) => `${name} is ${real[name].toFixed(2)}, simulated ${simulated[name].toFixed(2)}`)
}

function describeFigures({ p50, p99, seedCopies }: Figures): string {
  return `p50 ${p50.toFixed(2)} s, p99 ${p99.toFixed(2)} s, ${seedCopies.toFixed(2)} copies`
}

function percent(share: number): string {
  return `${Math.round(share * 100)} %`
}
