import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchSystem } from './bench-system.ts'
import { fluidBoundSeconds } from './fluid-bound.ts'
import type { Machine } from './machine.ts'
import { NODE_LINK_MBIT, type Round } from './measure.ts'
import type { BenchOptions } from './options.ts'
import { mean, percentile } from './statistics.ts'

const RESULTS_DIRECTORY = fileURLToPath(new URL('results', import.meta.url))
const BITS_PER_MBIT = 1e6
const BYTES_PER_GB = 1e9

/** The figures of one system. */
export interface Summary {
  readonly system: string
  readonly description: string
  readonly p50Seconds: number
  readonly p99Seconds: number
  /** Bytes over the seed's link, in copies of the blob; the mean over the rounds. */
  readonly seedCopies: number
  /** How long until the last node had the blob, over the least time that is possible; the mean over the rounds. */
  readonly timeOverBound: number
  /** Processor time of all its processes, per 10^9 bytes delivered to a node. */
  readonly cpuSecondsPerGB: number
  readonly rounds: readonly Round[]
}

/** Everything that a run found out. */
export interface BenchReport {
  readonly date: string
  readonly machine: Machine
  readonly options: BenchOptions
  readonly nodeLinkMbit: number
  readonly boundSeconds: number
  readonly summaries: readonly Summary[]
}

/** The bound that the options imply, in seconds. */
export function boundSeconds(options: BenchOptions): number {
  return fluidBoundSeconds(options.sizeBytes, options.nodes, {
    seedUp: options.rateMbit * BITS_PER_MBIT,
    nodeUp: NODE_LINK_MBIT * BITS_PER_MBIT,
    nodeDown: NODE_LINK_MBIT * BITS_PER_MBIT
  })
}

/** Sums up the rounds of a system. */
export function summarise(system: BenchSystem, rounds: readonly Round[], options: BenchOptions): Summary {
  const seconds = rounds.flatMap((round) => round.seconds)
  const deliveredGB = (options.sizeBytes * options.nodes * rounds.length) / BYTES_PER_GB
  return {
    system: system.name,
    description: system.description,
    p50Seconds: percentile(seconds, 50),
    p99Seconds: percentile(seconds, 99),
    seedCopies: mean(rounds.map((round) => round.seedBytes)) / options.sizeBytes,
    timeOverBound: mean(rounds.map((round) => Math.max(...round.seconds))) / boundSeconds(options),
    cpuSecondsPerGB: rounds.reduce((sum, round) => sum + round.cpuSeconds, 0) / deliveredGB,
    rounds
  }
}

/** The table, as Markdown that also reads well in a terminal. */
export function formatTable(summaries: readonly Summary[]): string {
  const rows = [
    ['system', 'p50 s', 'p99 s', 'registry bytes ÷ blob', 'time ÷ bound', 'CPU-s per GB'],
    ...summaries.map((summary) => [
      summary.system,
      summary.p50Seconds.toFixed(2),
      summary.p99Seconds.toFixed(2),
      summary.seedCopies.toFixed(2),
      summary.timeOverBound.toFixed(2),
      summary.cpuSecondsPerGB.toFixed(2)
    ]),
    ...ratios(summaries)
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`
  return [lines[0], rule, ...lines.slice(1)].join('\n')
}

/** The report as a page. */
export function formatReport(report: BenchReport): string {
  const { options, machine } = report
  const megabytes = options.sizeBytes / 1e6
  return `# One blob to many nodes

${options.nodes} nodes fetch the same blob of ${megabytes} MB at once, ${options.rounds} round(s). The registry's link carries
${options.rateMbit} Mbit/s and every node's ${report.nodeLinkMbit} Mbit/s, both ways. No way of distributing can take less than
${report.boundSeconds.toFixed(2)} s (the fluid bound).

${formatTable(report.summaries)}

${report.summaries.map((summary) => `- ${summary.system}: ${summary.description}`).join('\n')}

Registry bytes are what its link carried, headers included. Time is until the last node has the blob. CPU-seconds are
those of all the system's processes, without the curl that fetches; GB are 10^9 bytes delivered to a node.

${report.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}.
All processes share this one machine.
`
}

/** Writes the report as JSON and as Markdown, and returns the files. */
export async function writeReport(report: BenchReport): Promise<string[]> {
  await mkdir(RESULTS_DIRECTORY, { recursive: true })
  const base = path.join(RESULTS_DIRECTORY, report.date.replaceAll(':', '-'))
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(`${base}.md`, formatReport(report))
  return [`${base}.json`, `${base}.md`]
}

/** The first system's figures over those of each other: how many times better the other is. */
function ratios(summaries: readonly Summary[]): string[][] {
  const [first, ...others] = summaries
  if (first === undefined) return []
  return others.map((other) => [
    `${first.system} ÷ ${other.system}`,
    (first.p50Seconds / other.p50Seconds).toFixed(2),
    (first.p99Seconds / other.p99Seconds).toFixed(2),
    (first.seedCopies / other.seedCopies).toFixed(2),
    (first.timeOverBound / other.timeOverBound).toFixed(2),
    (first.cpuSecondsPerGB / other.cpuSecondsPerGB).toFixed(2)
  ])
}
