import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { barChart } from '../chart/bar-chart.ts'
import { lineChart } from '../chart/line-chart.ts'
import { ticks } from '../chart/ticks.ts'
import { type SwarmCell, type SwarmMode, swarmCell } from '../swarm/cells.ts'
import { profileTables } from '../swarm/profiles.ts'
import { markdownTable } from '../swarm/report/markdown-table.ts'
import { overviewTable } from '../swarm/report/overview.ts'
import { drawPlots } from '../swarm/report/plots.ts'
import { swarmTables } from '../swarm/report/tables.ts'
import { checkTargets } from '../swarm/report/targets.ts'
import type { Results, RoundResult, SwarmResult } from '../swarm/results.ts'
import { cellBoundSeconds, summarise } from '../swarm/summary.ts'

const CORES = 2
const LARGE = { nodes: 8, megabytes: 1000, layers: 4, registryMbit: 200 }

function cellOf(mode: SwarmMode, shape = LARGE): SwarmCell {
  const { nodes, megabytes, layers, registryMbit } = shape
  return swarmCell(mode, nodes, megabytes, layers, registryMbit, { rounds: 1, systems: ['nginx', 'shoal'] })
}

function roundOf(seconds: readonly number[], rest: Partial<RoundResult> = {}): RoundResult {
  return {
    pulls: seconds.map((each, index) => ({
      node: `n${index + 1}`,
      seconds: each,
      firstByteSeconds: 0.001 * (index + 1),
      manifestSeconds: 0.001
    })),
    failures: [],
    seconds: Math.max(...seconds),
    registryBytes: 1.02e9,
    processes: [
      { role: 'registry', node: 'seed', cpuSeconds: 4, peakBytes: 100 },
      { role: 'agent', node: 'n1', cpuSeconds: 20, peakBytes: 300 },
      { role: 'agent', node: 'n2', cpuSeconds: 16, peakBytes: 200 }
    ],
    clientCpuSeconds: 0,
    machineCpuSeconds: 44,
    events: [],
    ...rest
  }
}

function resultOf(system: string, cell: SwarmCell, ...rounds: RoundResult[]): SwarmResult {
  return { cell, system, rounds, seconds: 1 }
}

describe('the summary', () => {
  it('holds times against the bound, and counts copies, processor time and memory', () => {
    const summary = summarise(resultOf('shoal', cellOf('cold'), roundOf([40, 40, 41, 42, 42, 42, 43, 44])), CORES)
    assert.ok(summary)
    assert.equal(summary.boundSeconds, 40)
    assert.equal(summary.p50Seconds, 42)
    assert.equal(summary.p99Seconds, 44)
    assert.equal(summary.overBound, 1.1)
    assert.equal(summary.registryCopies, 1.02)
    assert.equal(summary.cpuSecondsPerGB, 5)
    assert.deepEqual(summary.peakBytes, { registry: 100, agent: 300 })
    assert.equal(summary.cpuBusy, 0.5)
    assert.equal(summary.cpuOthers, 4 / 88)
  })

  it('holds times against the cores where these are the limit', () => {
    const busy = roundOf([88], {
      processes: [{ role: 'agent', node: 'n1', cpuSeconds: 150, peakBytes: 1 }],
      clientCpuSeconds: 10
    })
    const summary = summarise(resultOf('shoal', cellOf('cold'), busy), CORES)
    assert.equal(summary?.overBound, 2.2)
    assert.equal(summary?.overMachineBound, 1.1)
  })

  it('holds a rollout against the sum of its waves', () => {
    const cell = cellOf('rolling')
    assert.equal(cellBoundSeconds(cell), 40 + 8 * 4)
    assert.equal(summarise(resultOf('shoal', cell, roundOf([40, 8], { seconds: 144 })), CORES)?.overBound, 2)
  })

  it('knows no bound of a warm pull, and nothing of a cell without pulls', () => {
    assert.equal(summarise(resultOf('shoal', cellOf('warm'), roundOf([1])), CORES)?.overBound, undefined)
    assert.equal(summarise(resultOf('shoal', cellOf('cold')), CORES), undefined)
  })
})

describe('the targets', () => {
  const results: Results = {
    swarm: [
      resultOf('nginx', cellOf('cold'), roundOf([330])),
      resultOf('shoal', cellOf('cold'), roundOf([43])),
      resultOf('shoal', cellOf('peers-vanish'), roundOf([50], { failures: ['n3: gone'] }))
    ],
    points: []
  }

  it('are judged by what was measured, and left out where nothing was', () => {
    assert.deepEqual(
      checkTargets(results, CORES).map(({ measured, met }) => [measured, met]),
      [
        ['1.07 × bound', true],
        ['7.67 ×', true],
        ['1.02 ×', true],
        ['1.25 × bound, 1 failed', false]
      ]
    )
  })

  it('are judged by points too', () => {
    const cell = { kind: 'point', name: 'memory', subject: 'memory', megabytes: 1, layers: 1, rounds: 1 } as const
    const figures = { 'agent idle MiB': 151, 'agent peak MiB': 349 }
    const targets = checkTargets({ swarm: [], points: [{ cell, figures, seconds: 1 }] }, CORES)
    assert.deepEqual(
      targets.map(({ met }) => met),
      [false, true]
    )
  })
})

describe('the tables', () => {
  it('align their columns', () => {
    assert.equal(
      markdownTable([['a', 'long'], ['wide cell']]),
      '| a         | long |\n|-----------|------|\n| wide cell |      |'
    )
  })

  it('say that the cores were the limit, and why a cell has no figures', () => {
    const saturated = roundOf([44], { machineCpuSeconds: 87 })
    const failed = { ...resultOf('nginx', cellOf('cold')), error: 'no answer\nand more' }
    const text = swarmTables({ swarm: [resultOf('shoal', cellOf('cold'), saturated), failed], points: [] }, CORES)
    assert.match(text, /### cold: 8 nodes, 1000 MB in 4 layers, registry link 200 Mbit\/s/)
    assert.match(text, /99 % \(saturated\)/)
    assert.match(text, /\| nginx +\| failed/)
    assert.match(text, /^- nginx: no answer and more$/m)
  })
})

describe('the overview', () => {
  it('names a cell once, and has a line for each system', () => {
    const swarm = ['nginx', 'shoal'].map((system) => resultOf(system, cellOf('cold'), roundOf([44])))
    const lines = overviewTable({ swarm, points: [] }, CORES).split('\n').slice(2)
    assert.equal(lines.length, 2)
    assert.match(lines[0] ?? '', /^\| cold: 8 nodes.*\| nginx +\| 44\.00 \| 44\.00 \| 1\.10/)
    assert.match(lines[1] ?? '', /^\| +\| shoal/)
  })
})

describe('the plots', () => {
  it('have ticks that are round and reach the highest value', () => {
    assert.deepEqual(ticks(8.4), [0, 2, 4, 6, 8, 10])
    assert.deepEqual(ticks(0.3), [0, 0.1, 0.2, 0.3])
    assert.deepEqual(ticks(0), [0, 1])
    assert.deepEqual(ticks(Number.NaN), [0, 1])
  })

  it('put higher values higher, and escape names', () => {
    const texts = { title: 'a < b', subtitle: '', xLabel: 'nodes', yLabel: 'time' }
    const svg = lineChart(texts, [
      {
        name: 'x & y',
        place: 0,
        points: [
          { x: 1, y: 1 },
          { x: 8, y: 2 }
        ]
      }
    ])
    const [, first = '', second = ''] = svg.match(/points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"/) ?? []
    assert.ok(Number(first) > Number(second), `${first} and ${second}`)
    assert.match(svg, /a &lt; b/)
    assert.match(svg, /x &amp; y/)
  })

  it('leave a place free where a group has no bar', () => {
    const texts = { title: '', subtitle: '', xLabel: '', yLabel: '' }
    const svg = barChart(
      texts,
      [
        { name: 'a', place: 0 },
        { name: 'b', place: 3 }
      ],
      [
        { label: '1', values: [1, undefined] },
        { label: '4', values: [2, 3] }
      ]
    )
    // The page, three bars and two entries of the legend.
    assert.equal(svg.match(/<rect/g)?.length, 6)
  })

  it('show cells that differ in the number of nodes alone', () => {
    const cells = [1, 8].map((nodes) => resultOf('shoal', cellOf('cold', { ...LARGE, nodes }), roundOf([44])))
    assert.ok(
      drawPlots({ swarm: cells, points: [] }, CORES).some((plot) => plot.file === 'time-over-bound-by-nodes.svg')
    )
    assert.deepEqual(drawPlots({ swarm: cells.slice(0, 1), points: [] }, CORES), [])
  })
})

describe('the profile', () => {
  it('sums the time in each function over processes, and leaves idleness out', () => {
    const frame = (functionName: string, url = '', lineNumber = -1) => ({ functionName, url, lineNumber })
    const profile = {
      nodes: [
        { id: 1, callFrame: frame('(idle)') },
        { id: 2, callFrame: frame('read', 'file:///home/x/packages/swarm/src/lane.ts', 9) },
        { id: 3, callFrame: frame('(garbage collector)') }
      ],
      samples: [1, 2, 2, 3],
      timeDeltas: [5_000_000, 1_000_000, 500_000, 500_000]
    }
    const [, , area, , , , , first, second] = profileTables([profile, profile]).split('\n')
    assert.match(area ?? '', /75\.0 % .*packages\/swarm /)
    assert.match(first ?? '', /75\.0 % .*3\.00 .*read packages\/swarm\/src\/lane\.ts:10/)
    assert.match(second ?? '', /25\.0 % .*garbage/)
  })
})
