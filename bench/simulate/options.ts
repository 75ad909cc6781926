import { parseArgs } from 'node:util'
import { FULL_CELLS, QUICK_CELLS, type SimCell, TARGET_CELLS } from './cells.ts'
import { SCENARIOS } from './scenarios/scenarios.ts'
import { parseSetting, type Setting } from './tuning/constants.ts'

const DEFAULT_CHUNKS = 256
const DEFAULT_NODES = 100
const DEFAULT_NODE_MBIT = 1000
const MAX_NODES = 20_000
const MAX_CHUNKS = 65_536

/** How the command is used. */
export const USAGE = `npm run simulate -- [options]
  --scenario NAME,…   what happens; see --list
  --nodes N,…         nodes, one run for each number (default ${DEFAULT_NODES})
  --chunks N,…        chunks of the image (default ${DEFAULT_CHUNKS}); up to 181 have 256 KiB, more have 4 MiB
  --rate MBIT         a node's link, both ways (default ${DEFAULT_NODE_MBIT})
  --registry MBIT     the registry's link, both ways (default the same)
  --seed N            another seed, another run; the same seed, the same run (default 1)
  --pieces N          pieces into which a chunk is cut at most (default 8); more are truer and slower
  --set NAME=NUMBER   a constant of the product with another value; may be repeated
  --sweep NAME=N,…    a run with each of these values of a constant; may be repeated
  --targets           what is promised: ten thousand nodes and more, about an hour
  --quick             every scenario with few nodes, in less than 30 s
  --list              show the scenarios and what would be run, and run nothing

  Without a scenario: every one, with 100 nodes, and some with 1000.`

/** What the user typed was wrong. */
export class UsageError extends Error {}

/** A constant and the values that it is to have, one run each. */
export interface Sweep {
  readonly name: string
  readonly values: readonly number[]
}

/** What a run simulates. */
export interface SimulateOptions {
  readonly cells: readonly SimCell[]
  readonly settings: readonly Setting[]
  readonly sweeps: readonly Sweep[]
  readonly list: boolean
  /** Print outcomes as JSON lines and write no report: how a sweep runs its parts. */
  readonly bare: boolean
}

/** Reads the command line. @throws UsageError naming the option that is wrong */
export function parseOptions(args: readonly string[]): SimulateOptions {
  const values = readArguments(args)
  const settings = values.set.map((text) => {
    try {
      return parseSetting(text)
    } catch (cause) {
      throw new UsageError(`--set ${text}: write a name of capitals and a number, such as QUEUE_SECONDS=0.5`, { cause })
    }
  })
  const { list, bare } = values
  return { cells: readCells(values), settings, sweeps: values.sweep.map(readSweep), list, bare }
}

function readCells(values: ReturnType<typeof readArguments>): readonly SimCell[] {
  const nodeMbit = number('--rate', values.rate ?? String(DEFAULT_NODE_MBIT), 1, 1e6)
  const common = {
    nodeMbit,
    registryMbit: values.registry === undefined ? nodeMbit : number('--registry', values.registry, 1, 1e6),
    seed: number('--seed', values.seed ?? '1', 0, 2 ** 32 - 1),
    pieces: number('--pieces', values.pieces ?? '8', 1, 1024)
  }
  const custom = values.scenario !== undefined || values.nodes !== undefined || values.chunks !== undefined
  if (!custom && values.sweep.length === 0) {
    const cells = values.targets ? TARGET_CELLS : values.quick ? QUICK_CELLS : FULL_CELLS
    return cells.map((cell) => ({ ...cell, ...common }))
  }
  const scenarios = (values.scenario ?? 'flash').split(',')
  const unknown = scenarios.find((name) => !SCENARIOS.some((scenario) => scenario.name === name))
  if (unknown !== undefined) {
    throw new UsageError(`--scenario is ${unknown}; there are ${SCENARIOS.map(({ name }) => name).join(', ')}`)
  }
  const nodes = numbers('--nodes', values.nodes ?? String(DEFAULT_NODES), MAX_NODES)
  const chunks = numbers('--chunks', values.chunks ?? String(DEFAULT_CHUNKS), MAX_CHUNKS)
  return scenarios.flatMap((scenario) =>
    nodes.flatMap((count) => chunks.map((each) => ({ ...common, scenario, nodes: count, chunks: each })))
  )
}

function readSweep(text: string): Sweep {
  const [name = '', list = ''] = text.split('=')
  const values = list.split(',').map(Number)
  if (!/^[A-Z][A-Z0-9_]*$/.test(name) || list === '' || values.some((value) => !Number.isFinite(value))) {
    throw new UsageError(`--sweep ${text}: write a name of capitals and numbers, such as TARGET_NEIGHBOURS=10,20,40`)
  }
  return { name, values }
}

function readArguments(args: readonly string[]) {
  const text = { type: 'string' } as const
  const texts = { type: 'string', multiple: true, default: [] as string[] } as const
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        scenario: text,
        nodes: text,
        chunks: text,
        rate: text,
        registry: text,
        seed: text,
        pieces: text,
        set: texts,
        sweep: texts,
        targets: flag,
        quick: flag,
        list: flag,
        bare: flag
      }
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function numbers(option: string, list: string, most: number): number[] {
  return list.split(',').map((text) => number(option, text, 1, most))
}

function number(option: string, text: string, least: number, most: number): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new UsageError(`${option} is ${text}; it must be a whole number from ${least} to ${most}`)
  }
  return value
}
