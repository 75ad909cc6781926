import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Cell, FULL_CELLS, QUICK_CELLS } from '../swarm/cells.ts'
import { estimateSwarmSeconds, secondsLeft } from '../swarm/estimate.ts'
import { parseOptions, UsageError } from '../swarm/options.ts'
import { formatDuration } from '../swarm/progress.ts'
import { planRun } from '../swarm/run-plan.ts'
import { SYSTEMS } from '../systems/all.ts'

const names = SYSTEMS.map((system) => system.name)
const CORES = 2

function secondsOf(cells: readonly Cell[]): number {
  return planRun(cells, SYSTEMS, CORES).reduce((sum, step) => sum + step.estimateSeconds, 0)
}

function cellNames(...args: string[]): string[] {
  return parseOptions(args, names).cells.map((cell) => cell.name)
}

describe('the cells', () => {
  it('have names of their own, and name systems that exist', () => {
    for (const cells of [FULL_CELLS, QUICK_CELLS]) {
      assert.equal(new Set(cells.map((cell) => cell.name)).size, cells.length)
      for (const cell of cells) {
        if (cell.kind === 'swarm') for (const name of cell.systems) assert.ok(names.includes(name), name)
      }
    }
  })

  it('fit in an hour, the quick ones in three minutes', () => {
    assert.ok(secondsOf(FULL_CELLS) < 3600, `${secondsOf(FULL_CELLS)} s`)
    assert.ok(secondsOf(QUICK_CELLS) < 180, `${secondsOf(QUICK_CELLS)} s`)
  })

  it('are measured in the order of the systems, and not with one that the cell makes no sense for', () => {
    const cells = parseOptions(['--mode', 'registry-lost'], names).cells
    assert.deepEqual(
      planRun(cells, SYSTEMS, CORES).map((step) => step.kind === 'swarm' && step.system.name),
      ['shoal', 'shoal-plain', 'shoal-libp2p']
    )
  })
})

describe('the options', () => {
  it('choose all cells, or those that match', () => {
    assert.equal(cellNames().length, FULL_CELLS.length)
    assert.equal(cellNames('--quick').length, QUICK_CELLS.length)
    assert.deepEqual(cellNames('--cell', 'memory', '--cell', 'cold-8n*1000MB-1l'), [
      'cold-8n-1000MB-1l-200mbit',
      'memory'
    ])
  })

  it('make a cell of their own', () => {
    const [cell] = parseOptions(['--nodes', '3', '--size', '7', '--rounds', '2', '--system', 'nginx'], names).cells
    assert.ok(cell?.kind === 'swarm')
    assert.equal(cell.name, 'cold-3n-7MB-4l-200mbit')
    assert.deepEqual([cell.rounds, cell.systems], [2, ['nginx']])
  })

  it('add a system to cells that leave it out, and leave out what has no systems', () => {
    const { cells } = parseOptions(
      ['--system', 'docker-registry', '--cell', 'cold-8n-10MB-4l', '--cell', 'memory'],
      names
    )
    assert.deepEqual(
      cells.map((cell) => cell.kind === 'swarm' && cell.systems),
      [['docker-registry']]
    )
  })

  it('say what is wrong', () => {
    const wrong: [string[], RegExp][] = [
      [['--system', 'kraken'], /--system is kraken; there are nginx/],
      [['--nodes', '0'], /--nodes is 0/],
      [['--nodes', '201'], /at most 200/],
      [['--rounds', 'many'], /--rounds is many/],
      [['--mode', 'hot'], /--mode is hot; there are cold/],
      [['--cell', 'nothing'], /--cell matches none of/],
      [['--loud'], /--loud/],
      [['extra'], /extra/]
    ]
    for (const [args, message] of wrong) {
      assert.throws(
        () => parseOptions(args, names),
        (error) => error instanceof UsageError && message.test(error.message),
        args.join(' ')
      )
    }
  })
})

describe('the estimate', () => {
  const cold = parseOptions(['--nodes', '8', '--size', '1000'], names).cells[0]
  assert.ok(cold?.kind === 'swarm')

  it('is that of the registry sending every copy where there are no peers', () => {
    const seconds = estimateSwarmSeconds(cold, { peerToPeer: false, roughCpuSecondsPerGB: 1 }, CORES)
    assert.ok(seconds > 320 && seconds < 360, `${seconds} s`)
  })

  it('is that of the cores where they are the limit', () => {
    const few = estimateSwarmSeconds(cold, { peerToPeer: true, roughCpuSecondsPerGB: 100 }, CORES)
    const many = estimateSwarmSeconds(cold, { peerToPeer: true, roughCpuSecondsPerGB: 100 }, CORES * 50)
    assert.ok(few > 400 && many < 80, `${few} s and ${many} s`)
  })

  it('of what is left learns from what was', () => {
    assert.equal(secondsLeft({ estimated: 0, took: 0 }, 100), 100)
    assert.equal(secondsLeft({ estimated: 10, took: 20 }, 100), 200)
    assert.equal(formatDuration(59.4), '59 s')
    assert.equal(formatDuration(65), '1 m 05 s')
  })
})
