import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fluidBoundSeconds } from '../fluid-bound.ts'
import { blobBytes, type SimCell } from '../simulate/cells.ts'
import { parseOptions, UsageError } from '../simulate/options.ts'
import type { Outcome } from '../simulate/outcome.ts'
import { curves } from '../simulate/report/curves.ts'
import { targetTable } from '../simulate/report/targets.ts'
import { runCell } from '../simulate/run-cell.ts'
import { demandBoundSeconds, zoneBoundSeconds } from '../simulate/scenarios/bounds.ts'
import { SCENARIOS } from '../simulate/scenarios/scenarios.ts'
import { withSettings } from '../simulate/tuning/constants.ts'

const MIB = 1024 * 1024
const CELL: SimCell = {
  scenario: 'flash',
  nodes: 12,
  chunks: 32,
  nodeMbit: 1000,
  registryMbit: 1000,
  seed: 7,
  pieces: 8
}

/** What does not depend on the machine. */
function facts(outcome: Outcome) {
  const { wallSeconds, peakMemoryMiB, ...rest } = outcome
  assert.ok(wallSeconds > 0 && peakMemoryMiB > 0)
  return rest
}

describe('a simulated run', () => {
  it('is the same for the same seed, and another for another', async () => {
    const first = facts(await runCell(CELL))
    assert.deepEqual(facts(await runCell(CELL)), first)
    assert.notDeepEqual(facts(await runCell({ ...CELL, seed: 8 })), { ...first, seed: 8 })
  })

  it('gives promises all the steps that they need', async () => {
    assert.deepEqual(facts(await runCell(CELL, { settlingSteps: 200 })), facts(await runCell(CELL)))
  })

  it('takes one node as long as its link needs, and a little more', async () => {
    const { p50Seconds, seedCopies, duplicates } = await runCell({ ...CELL, nodes: 1, chunks: 128 })
    const alone = (blobBytes(128) * 8) / 1e9
    assert.ok(p50Seconds !== undefined && p50Seconds > alone && p50Seconds < alone * 1.1, `${p50Seconds} s, ${alone} s`)
    assert.equal(seedCopies, 1)
    assert.equal(duplicates, 0)
  })

  it('ends in every scenario', async () => {
    for (const { name } of SCENARIOS) {
      const outcome = await runCell({ ...CELL, scenario: name, nodes: 20 })
      assert.equal(outcome.unfinished, 0, name)
      assert.ok(outcome.p99 !== undefined && outcome.p99 > 0.9, `${name}: ${outcome.p99} × bound`)
      assert.ok(outcome.seedCopies >= 0.99, `${name}: somebody has to have sent it`)
      if (name === 'liars') assert.ok(outcome.wrongChunks > 0, 'nobody lied')
      if (name === 'zones') assert.ok((outcome.zoneCopies ?? 0) >= 0.99, 'it has to come into each zone')
    }
  })
})

describe('bounds', () => {
  it('of one blob are those of the benchmark', () => {
    const links = { seedUp: 200, nodeUp: 100, nodeDown: 1000 }
    for (const nodes of [1, 5, 50]) {
      const lines = { registryMbit: 200, upMbit: nodes * 100, downMbit: 1000 }
      const difference = demandBoundSeconds([{ bytes: MIB, nodes }], lines) - fluidBoundSeconds(MIB, nodes, links)
      assert.ok(Math.abs(difference) < 1e-12, `${nodes} nodes`)
    }
  })

  it('of a zone are those of the lines that lead into it', () => {
    assert.equal(zoneBoundSeconds(1e6, 4, 8), 1 / 3)
    assert.equal(zoneBoundSeconds(1e6, 1, 8), 0)
  })
})

describe('constants of the product', () => {
  it('are replaced where they are defined, and nowhere else', () => {
    const source = 'export const A_MS = 5\nconst B = 2 * A_MS\nconst AA_MS = 7\n'
    const changed = withSettings(source, [
      { name: 'A_MS', value: 9 },
      { name: 'B', value: 1 },
      { name: 'C', value: 3 }
    ])
    assert.deepEqual(changed, { source: 'export const A_MS = 9\nconst B = 1\nconst AA_MS = 7\n', found: ['A_MS', 'B'] })
  })
})

describe('options', () => {
  it('make a run of each scenario with each number of nodes and chunks', () => {
    const { cells } = parseOptions(['--scenario', 'flash,churn', '--nodes', '10,20', '--chunks', '64', '--seed', '3'])
    assert.deepEqual(
      cells.map(({ scenario, nodes, chunks, seed }) => [scenario, nodes, chunks, seed]),
      [
        ['flash', 10, 64, 3],
        ['flash', 20, 64, 3],
        ['churn', 10, 64, 3],
        ['churn', 20, 64, 3]
      ]
    )
  })

  it('that are wrong are named', () => {
    for (const [option, value] of [
      ['--scenario', 'flood'],
      ['--nodes', '0'],
      ['--nodes', '1000000'],
      ['--chunks', 'many'],
      ['--set', 'queue=1'],
      ['--sweep', 'QUEUE_SECONDS='],
      ['--nodes ', '3']
    ] as const) {
      assert.throws(
        () => parseOptions([option, value]),
        (error) => error instanceof UsageError && error.message.includes(option.trim())
      )
    }
  })
})

describe('a report', () => {
  const outcome = (more: Partial<Outcome>): Outcome => ({ ...EMPTY, ...more })
  const EMPTY: Outcome = {
    scenario: 'flash',
    nodes: 10,
    chunks: 256,
    imageBytes: MIB,
    seed: 1,
    boundSeconds: 1,
    p50: 1,
    p99: 1.1,
    max: 1.2,
    p50Seconds: 1,
    p99Seconds: 1.1,
    firstByteP50Seconds: 0.1,
    firstByteP99Seconds: 0.2,
    seedCopies: 1,
    seedLinkCopies: 1,
    zoneLinkCopies: undefined,
    zoneCopies: undefined,
    messagesPerNode: 1,
    controlBytesPerNode: 1,
    controlShare: 0.01,
    duplicates: 0,
    wrongChunks: 0,
    failures: 0,
    unfinished: 0,
    virtualSeconds: 1,
    wallSeconds: 1,
    events: 1,
    peakMemoryMiB: 1
  }

  it('has a curve where runs differ in one respect', () => {
    const rows = [
      { outcome: outcome({}), settings: '' },
      { outcome: outcome({ nodes: 100 }), settings: '' },
      { outcome: outcome({}), settings: 'TARGET_NEIGHBOURS=10' },
      { outcome: outcome({}), settings: 'TARGET_NEIGHBOURS=20' }
    ]
    assert.deepEqual(
      curves(rows).map(({ file }) => file),
      ['nodes.svg', 'target_neighbours.svg', 'target_neighbours-copies.svg']
    )
    assert.deepEqual(curves(rows.slice(0, 1)), [])
  })

  it('says which targets are met', () => {
    const row = (more: Partial<Outcome>) => ({ outcome: outcome({ nodes: 10_000, ...more }), settings: '' })
    assert.equal(targetTable([{ outcome: outcome({}), settings: '' }]), undefined)
    assert.match(targetTable([row({})]) ?? '', /\| met/)
    assert.match(targetTable([row({ p99: 1.16 })]) ?? '', /\| missed/)
    assert.match(targetTable([row({ seedCopies: 1.2 })]) ?? '', /\| missed/)
  })
})
