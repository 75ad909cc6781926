import { parseArgs } from 'node:util'
import { type Cell, FULL_CELLS, QUICK_CELLS, type SwarmMode, swarmCell } from './cells.ts'

const MODES: readonly SwarmMode[] = ['cold', 'rolling', 'warm', 'registry-lost', 'peers-vanish']
const DEFAULT_NODES = 8
const DEFAULT_SIZE_MB = 100
const DEFAULT_LAYERS = 4
const DEFAULT_RATE_MBIT = 200
const DEFAULT_ROUNDS = 1
const MAX_NODES = 200

/** How the command is used. */
export const USAGE = `npm run bench -- [swarm] [options]
  --quick         the short run, which only shows that everything works
  --cell PATTERN  only cells whose name has this in it; * stands for anything; may be repeated
  --system NAME   only this system, and also where a cell leaves it out; may be repeated
  --rounds N      rounds of each cell, in place of its own number
  --profile       also a table of where the system's Node processes spent their time; the other figures suffer
  --list          show the cells and what they may take, and measure nothing

  A cell of your own, in place of the listed ones:
  --nodes N       nodes that pull (default ${DEFAULT_NODES})
  --size MB       size of the image in 10^6 bytes (default ${DEFAULT_SIZE_MB})
  --layers N      in how many layers (default ${DEFAULT_LAYERS})
  --rate MBIT     the registry's link in Mbit/s, both ways (default ${DEFAULT_RATE_MBIT})
  --mode MODE     ${MODES.join(', ')} (default cold)`

/** What the user typed was wrong. */
export class UsageError extends Error {}

/** What a run measures. */
export interface SwarmOptions {
  readonly cells: readonly Cell[]
  readonly quick: boolean
  readonly list: boolean
  readonly profile: boolean
}

/** Reads the command line. `systems` are the names of those that exist. @throws UsageError naming the option that is wrong */
export function parseOptions(args: readonly string[], systems: readonly string[]): SwarmOptions {
  const values = readArguments(args)
  const unknown = values.system.find((name) => !systems.includes(name))
  if (unknown !== undefined) throw new UsageError(`--system is ${unknown}; there are ${systems.join(', ')}`)
  const custom = customCell(values, systems)
  const all = custom === undefined ? (values.quick ? QUICK_CELLS : FULL_CELLS) : [custom]
  const rounds = values.rounds === undefined ? undefined : positive('--rounds', values.rounds)
  const cells = all
    .filter((cell) => values.cell.length === 0 || values.cell.some((pattern) => matches(pattern, cell.name)))
    .map((cell) => (rounds === undefined ? cell : { ...cell, rounds }))
    .flatMap((cell) => withSystems(cell, values.system))
  if (cells.length === 0) throw new UsageError(`--cell matches none of ${all.map((cell) => cell.name).join(', ')}`)
  return { cells, quick: values.quick, list: values.list, profile: values.profile }
}

function readArguments(args: readonly string[]) {
  const text = { type: 'string' } as const
  const texts = { type: 'string', multiple: true, default: [] as string[] } as const
  const flag = { type: 'boolean', default: false } as const
  try {
    return parseArgs({
      args: [...args],
      options: {
        quick: flag,
        list: flag,
        profile: flag,
        cell: texts,
        system: texts,
        rounds: text,
        nodes: text,
        size: text,
        layers: text,
        rate: text,
        mode: text
      }
    }).values
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}

function customCell(values: ReturnType<typeof readArguments>, systems: readonly string[]): Cell | undefined {
  const { nodes, size, layers, rate, mode } = values
  if ([nodes, size, layers, rate, mode].every((value) => value === undefined)) return undefined
  const count = positive('--nodes', nodes ?? DEFAULT_NODES)
  if (count > MAX_NODES) throw new UsageError(`--nodes is ${count}; at most ${MAX_NODES} fit on the bridge`)
  const chosen = MODES.find((candidate) => candidate === (mode ?? 'cold'))
  if (chosen === undefined) throw new UsageError(`--mode is ${mode}; there are ${MODES.join(', ')}`)
  return swarmCell(
    chosen,
    count,
    positive('--size', size ?? DEFAULT_SIZE_MB),
    positive('--layers', layers ?? DEFAULT_LAYERS),
    positive('--rate', rate ?? DEFAULT_RATE_MBIT),
    { rounds: DEFAULT_ROUNDS, systems }
  )
}

function withSystems(cell: Cell, systems: readonly string[]): Cell[] {
  if (systems.length === 0) return [cell]
  return cell.kind === 'point' ? [] : [{ ...cell, systems }]
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
  return new RegExp(parts.join('.*')).test(name)
}

function positive(option: string, value: string | number): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1)
    throw new UsageError(`${option} is ${value}; it takes a whole number from 1`)
  return number
}
