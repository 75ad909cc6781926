import { parseArgs } from 'node:util'

const DEFAULT_ROUNDS = 3
/** What one connection to the upstream gives: a good link to a registry on the Internet. */
const DEFAULT_MIB_PER_SECOND = 16
const MIB = 1024 * 1024

/** How the command is used. */
export const PROXY_USAGE = `npm run bench -- proxy [options]
  --rounds N  times that each way is measured, in turn (default ${DEFAULT_ROUNDS})
  --rate N    MiB per second that one connection to the upstream gives (default ${DEFAULT_MIB_PER_SECOND})
  --quick     a smaller image, one round: whether it works`

/** What a run measures. */
export interface ProxyBenchOptions {
  readonly rounds: number
  readonly bytesPerSecond: number
  /** Bytes of the image's layers. */
  readonly layers: readonly number[]
  readonly quick: boolean
}

/** Reads the command line. @throws Error naming the option that is wrong */
export function parseProxyOptions(args: readonly string[]): ProxyBenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      rounds: { type: 'string' },
      rate: { type: 'string' },
      quick: { type: 'boolean', default: false }
    }
  })
  const rounds = Number(values.rounds ?? (values.quick ? 1 : DEFAULT_ROUNDS))
  const rate = Number(values.rate ?? DEFAULT_MIB_PER_SECOND)
  if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`--rounds is ${values.rounds}; it takes a whole number`)
  if (!(rate > 0)) throw new Error(`--rate is ${values.rate}; it takes a number of MiB per second`)
  const layers = values.quick ? [12 * MIB, 8 * MIB, 2 * MIB] : [96 * MIB, 64 * MIB, 48 * MIB, 8 * MIB]
  return { rounds, bytesPerSecond: rate * MIB, layers, quick: values.quick }
}
