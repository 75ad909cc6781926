import { END_TO_END_TOOLS, missingRequirements } from '../test/harness/requirements.ts'
import { RunWorkspace } from '../test/harness/run-workspace.ts'
import type { BenchSystem } from './bench-system.ts'
import { describeMachine } from './machine.ts'
import { measure, NODE_LINK_MBIT } from './measure.ts'
import { type BenchOptions, parseOptions, USAGE } from './options.ts'
import { benchRegistry } from './registry/main.ts'
import { type BenchReport, boundSeconds, formatTable, type Summary, summarise, writeReport } from './report.ts'
import { dockerRegistry } from './systems/docker-registry.ts'
import { shoal } from './systems/shoal.ts'

/** In the order of the table; the first is what the others are compared with. */
const SYSTEMS: readonly BenchSystem[] = [dockerRegistry, shoal]
const BENCH_TOOLS = ['curl', 'docker-registry', 'ip', 'nsenter', 'tc']
const EXIT_USAGE = 2

function chooseSystems(options: BenchOptions): BenchSystem[] {
  const names = SYSTEMS.map((system) => system.name)
  const unknown = options.systems.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new Error(`--system is ${unknown}; there are ${names.join(', ')}`)
  return SYSTEMS.filter((system) => options.systems.length === 0 || options.systems.includes(system.name))
}

async function bench(options: BenchOptions, systems: readonly BenchSystem[]): Promise<void> {
  const megabytes = options.sizeBytes / 1e6
  console.log(
    `${options.nodes} nodes fetch ${megabytes} MB at once, over a registry link of ${options.rateMbit} Mbit/s`
  )
  const summaries: Summary[] = []
  for (const system of systems) {
    // One system at a time: what runs beside it would take processor time from it.
    const workspace = RunWorkspace.open()
    try {
      const summary = summarise(system, await measure(system, options, workspace), options)
      console.log(`${system.name}: last node after ${summary.p99Seconds.toFixed(2)} s`)
      summaries.push(summary)
    } finally {
      workspace.close()
    }
  }
  const report: BenchReport = {
    date: new Date().toISOString(),
    machine: describeMachine(),
    options,
    nodeLinkMbit: NODE_LINK_MBIT,
    boundSeconds: boundSeconds(options),
    summaries
  }
  console.log(`\nfluid bound ${report.boundSeconds.toFixed(2)} s\n${formatTable(summaries)}\n`)
  console.log((await writeReport(report)).join('\n'))
}

if (process.argv[2] === 'registry') process.exit(await benchRegistry(process.argv.slice(3)))
const missing = missingRequirements(
  Object.fromEntries(Object.entries(END_TO_END_TOOLS).filter(([tool]) => BENCH_TOOLS.includes(tool)))
)
if (missing.length > 0) {
  console.error(`the benchmark needs ${missing.join(', ')}`)
  process.exit(1)
}
try {
  const options = parseOptions(process.argv.slice(2))
  await bench(options, chooseSystems(options))
} catch (error) {
  const wrongUsage = error instanceof Error && /^--|^Unknown option|^Unexpected argument/.test(error.message)
  console.error(wrongUsage ? `${error.message}\n\n${USAGE}` : error)
  process.exit(wrongUsage ? EXIT_USAGE : 1)
}
