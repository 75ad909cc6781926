import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SimCell } from './cells.ts'
import { parseOptions, type SimulateOptions, USAGE, UsageError } from './options.ts'
import type { Outcome } from './outcome.ts'
import { outcomeLine, outcomeTable, type Row } from './report/figures.ts'
import { reportDirectory, writeReport } from './report/write-report.ts'
import type { RunProgress } from './run-plan.ts'
import { SCENARIOS } from './scenarios/scenarios.ts'
import { overrideConstants } from './tuning/constants.ts'

const EXIT_FAILED = 1
const EXIT_USAGE = 2
const EXIT_INTERRUPTED = 130
const PROGRESS_MS = 5_000
/** A run of ten thousand nodes needs more than V8 takes by itself. */
const HEAP_MIB = 7_500

/** The user has had enough. */
class InterruptedError extends Error {}

const interruption = new AbortController()

async function main(args: readonly string[]): Promise<number> {
  let options: SimulateOptions
  try {
    options = parseOptions(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${USAGE}`)
    return EXIT_USAGE
  }
  if (options.list) {
    for (const { name, about } of SCENARIOS) console.log(`${name.padEnd(16)} ${about}`)
    for (const { scenario, nodes, chunks } of options.cells)
      console.log(`would run ${scenario}, ${nodes} nodes, ${chunks} chunks`)
    return 0
  }
  // A second one ends the process at once.
  process.once('SIGINT', () => interruption.abort(new InterruptedError('interrupted')))
  return options.bare ? await runBare(options) : await runAll(options)
}

/** Runs the cells in this process and prints what came of each as a line of JSON. */
async function runBare({ cells, settings }: SimulateOptions): Promise<number> {
  const wrong = overrideConstants(settings)
  const { runCell } = await import('./run-cell.ts')
  if (wrong().length > 0) {
    console.error(`--set: the product has no constant ${wrong().join(', ')}, or more than one`)
    return EXIT_USAGE
  }
  try {
    for (const cell of cells) {
      const showProgress = progressPrinter(cell)
      const look = (progress: RunProgress) => {
        interruption.signal.throwIfAborted()
        showProgress(progress)
      }
      console.log(JSON.stringify(await runCell(cell, { look })))
    }
  } catch (error) {
    if (error instanceof InterruptedError) return EXIT_INTERRUPTED
    throw error
  }
  return 0
}

/**
 * Runs every cell with every value of what is swept, each in a process of its own: so that constants can differ, and a run
 * leaves no memory behind.
 */
async function runAll({ cells, settings, sweeps }: SimulateOptions): Promise<number> {
  const fixed = settings.map(({ name, value }) => `${name}=${value}`)
  const variants = [
    ...(sweeps.length === 0 ? [fixed] : []),
    ...sweeps.flatMap(({ name, values }) => values.map((value) => [...fixed, `${name}=${value}`]))
  ]
  const directory = reportDirectory(new Date())
  const rows: Row[] = []
  let code = 0
  for (const variant of variants) {
    for (const cell of cells) {
      const result = interruption.signal.aborted ? EXIT_INTERRUPTED : await runChild(cell, variant)
      if (typeof result === 'number') {
        code = result
        if (code === EXIT_INTERRUPTED || code === EXIT_USAGE) break
        continue
      }
      const row = { outcome: result, settings: variant.join(' ') }
      if (result.unfinished > 0) code = EXIT_FAILED
      rows.push(row)
      console.log(outcomeLine(row))
      await writeReport(directory, rows)
    }
  }
  if (rows.length > 0) console.log(`\n${outcomeTable(rows)}\n\n${directory}`)
  return code
}

async function runChild(cell: SimCell, settings: readonly string[]): Promise<Outcome | number> {
  const { scenario, nodes, chunks, nodeMbit, registryMbit, seed, pieces } = cell
  const named = { scenario, nodes, chunks, rate: nodeMbit, registry: registryMbit, seed, pieces }
  const args = Object.entries(named).flatMap(([name, value]) => [`--${name}`, String(value)])
  const child = spawn(
    process.execPath,
    [
      `--max-old-space-size=${HEAP_MIB}`,
      fileURLToPath(import.meta.url),
      '--bare',
      ...args,
      ...settings.flatMap((setting) => ['--set', setting])
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] }
  )
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
  })
  // A terminal interrupts both; somebody who signals only this process means both too.
  const onAbort = () => child.kill('SIGINT')
  interruption.signal.addEventListener('abort', onAbort, { once: true })
  const code = await new Promise<number>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (exitCode) => resolve(exitCode ?? EXIT_FAILED))
  })
  interruption.signal.removeEventListener('abort', onAbort)
  if (interruption.signal.aborted) return EXIT_INTERRUPTED
  return code === 0 ? (JSON.parse(output) as Outcome) : code
}

/** Tells how far a long run is. */
function progressPrinter({ scenario, nodes }: SimCell): (progress: RunProgress) => void {
  let printedAt = performance.now()
  return ({ phase, virtualSeconds, done, events, memoryMiB }) => {
    if (performance.now() - printedAt < PROGRESS_MS) return
    printedAt = performance.now()
    const figures = `${virtualSeconds.toFixed(1)} s of virtual time, ${(events / 1e6).toFixed(1)} M events`
    console.error(`  ${scenario} ${phase}: ${done}/${nodes} nodes done, ${figures}, ${Math.round(memoryMiB)} MiB`)
  }
}

process.exitCode = await main(process.argv.slice(2))
