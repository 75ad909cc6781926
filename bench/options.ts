import { parseArgs } from 'node:util'

const DEFAULT_NODES = 8
const DEFAULT_SIZE_MB = 128
const DEFAULT_RATE_MBIT = 200
const DEFAULT_ROUNDS = 3
const QUICK_NODES = 4
const QUICK_SIZE_MB = 32
const QUICK_ROUNDS = 1
const MAX_NODES = 200

/** How the command is used. */
export const USAGE = `npm run bench -- [options]
  --nodes N      nodes that fetch at once (default ${DEFAULT_NODES})
  --size MB      blob size in 10^6 bytes (default ${DEFAULT_SIZE_MB})
  --rate MBIT    the registry's link in Mbit/s, both ways (default ${DEFAULT_RATE_MBIT})
  --rounds N     blobs fetched one after the other (default ${DEFAULT_ROUNDS})
  --quick        ${QUICK_NODES} nodes, ${QUICK_SIZE_MB} MB, ${QUICK_ROUNDS} round, unless told otherwise
  --system NAME  measure only this system; may be repeated`

/** What a run of the benchmark measures. */
export interface BenchOptions {
  readonly nodes: number
  readonly sizeBytes: number
  readonly rateMbit: number
  readonly rounds: number
  /** Names of the systems; all when empty. */
  readonly systems: readonly string[]
}

/** Reads the command line. @throws Error naming the option that is wrong */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      nodes: { type: 'string' },
      size: { type: 'string' },
      rate: { type: 'string' },
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      system: { type: 'string', multiple: true, default: [] }
    }
  })
  const nodes = positive('--nodes', values.nodes ?? (values.quick ? QUICK_NODES : DEFAULT_NODES))
  if (nodes > MAX_NODES) throw new Error(`--nodes is ${nodes}; at most ${MAX_NODES} fit on the bridge`)
  return {
    nodes,
    sizeBytes: positive('--size', values.size ?? (values.quick ? QUICK_SIZE_MB : DEFAULT_SIZE_MB)) * 1e6,
    rateMbit: positive('--rate', values.rate ?? DEFAULT_RATE_MBIT),
    rounds: positive('--rounds', values.rounds ?? (values.quick ? QUICK_ROUNDS : DEFAULT_ROUNDS)),
    systems: values.system
  }
}

function positive(option: string, value: string | number): number {
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1) throw new Error(`${option} is ${value}; it takes a whole number from 1`)
  return number
}
