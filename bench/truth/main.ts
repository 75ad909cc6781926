import { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { type Figures, medians } from './figures.ts'
import { pullForReal } from './pull-for-real.ts'
import { pullSimulated } from './pull-simulated.ts'

// node bench/truth/main.ts [NODES] [MB] [REGISTRY MBIT] [NODE MBIT] [ROUNDS]: the same pull in namespaces and in the simulator.

const SIMULATED_ROUNDS = 5
const DEADLINE_MS = 120_000

const [nodes = 8, megabytes = 8, registryMbit = 20, nodeMbit = 60, rounds = 5] = process.argv.slice(2).map(Number)
const cell = { nodes, bytes: megabytes * 1e6, registryMbit, nodeMbit }

function print(name: string, { p50, p99, seedCopies }: Figures, more = ''): void {
  console.log(
    `${name.padEnd(17)} p50 ${p50.toFixed(2)} s  p99 ${p99.toFixed(2)} s  copies ${seedCopies.toFixed(3)}${more}`
  )
}

const simulated: Figures[] = []
for (let seed = 1; seed <= SIMULATED_ROUNDS; seed++) simulated.push(await pullSimulated(cell, seed))
for (const figures of simulated) print('simulated', figures)
print('simulated, median', medians(simulated))

const workspace = RunWorkspace.open()
try {
  const real: Figures[] = []
  for await (const figures of pullForReal(cell, workspace, { deadlineMs: DEADLINE_MS })) {
    print('real', figures, `  processors ${Math.round(figures.busyShare * 100)} %`)
    if (real.push(figures) === rounds) break
  }
  print('real, median', medians(real))
} finally {
  workspace.close()
}
