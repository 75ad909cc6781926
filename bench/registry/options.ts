import { parseArgs } from 'node:util'

const DEFAULT_ROUNDS = 3

/** How the command is used. */
export const REGISTRY_USAGE = `npm run bench -- registry [options]
  --rounds N  times that each cell is measured, the two registries in turn (default ${DEFAULT_ROUNDS})
  --quick     fewer and smaller requests, one round: whether it works
  --size NAME only this size: manifest, 1MB, 10MB or 1GB; may be repeated`

/** What a run measures. */
export interface RegistryBenchOptions {
  readonly rounds: number
  readonly quick: boolean
  /** Names of sizes; all when empty. */
  readonly sizes: readonly string[]
}

/** Reads the command line. @throws Error naming the option that is wrong */
export function parseRegistryOptions(args: readonly string[]): RegistryBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      quick: { type: 'boolean', default: false },
      size: { type: 'string', multiple: true, default: [] }
    }
  })
  const rounds = Number(values.rounds ?? (values.quick ? 1 : DEFAULT_ROUNDS))
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new Error(`--rounds is ${values.rounds}; it takes a whole number from 1`)
  }
  return { rounds, quick: values.quick, sizes: values.size }
}
