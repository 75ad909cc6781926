import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Machine } from '../machine.ts'
import type { RegistryBenchOptions } from './options.ts'
import type { ServerKind } from './servers.ts'
import type { CellSummary, ServerFigures } from './summary.ts'

const RESULTS_DIRECTORY = fileURLToPath(new URL('../results', import.meta.url))

/** Everything that a run found out. */
export interface RegistryReport {
  readonly date: string
  readonly machine: Machine
  readonly options: RegistryBenchOptions
  /** The folder that the registries wrote to, and its file system. */
  readonly storage: string
  /** The one to compare with first. */
  readonly servers: readonly Pick<ServerKind, 'name' | 'description'>[]
  readonly cells: readonly CellSummary[]
}

/** The table, as Markdown that also reads well in a terminal. Pairs are the reference's figure and ours. */
export function formatRegistryTable(report: Pick<RegistryReport, 'servers' | 'cells'>): string {
  const names = report.servers.map(({ name }) => name)
  const rows = [
    [
      'what',
      'at a time',
      'throughput',
      'ratio',
      'p50 ms',
      'p99 ms',
      'CPU-s per GB',
      'peak MiB',
      'read ÷ payload',
      'load'
    ],
    ...report.cells.map(({ subject, cell, servers, throughputRatio }) => {
      const pair = (show: (figures: ServerFigures) => string): string =>
        names.map((name) => (servers[name] === undefined ? '' : show(servers[name]))).join(' / ')
      return [
        `${cell.kind.replace(/-.*/, '')} ${subject}`,
        String(cell.concurrency),
        pair((figures) => formatThroughput(figures)),
        throughputRatio.toFixed(2),
        pair(({ p50Ms }) => formatFigure(p50Ms)),
        pair(({ p99Ms }) => formatFigure(p99Ms)),
        pair(({ cpuSecondsPerGB, cpuMsPerRequest }) =>
          cpuSecondsPerGB === undefined ? `${cpuMsPerRequest.toFixed(2)} ms each` : cpuSecondsPerGB.toFixed(2)
        ),
        pair(({ peakMiB }) => peakMiB.toFixed(0)),
        pair(({ readOverPayload }) => formatFigure(readOverPayload)),
        pair(({ clientBusy }) => clientBusy.toFixed(2))
      ]
    })
  ]
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  const lines = rows.map((row) => `| ${row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`)
  return [lines[0], `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`, ...lines.slice(1)].join('\n')
}

/** The report as a page. */
export function formatRegistryReport(report: RegistryReport): string {
  const { machine, options, servers } = report
  return `# Push and pull, side by side

Figures in pairs are ${servers.map(({ name }) => name).join(' / ')}; the ratio is the throughput of the second over
that of the first, medians of ${options.rounds} round(s) in which they took turns.

${formatRegistryTable(report)}

${servers.map(({ name, description }) => `- ${name}: ${description}`).join('\n')}

A push is a POST and a PUT of the whole blob, each blob with a digest of its own; pulls share up to four blobs. Latency
is of whole pushes and pulls, of those that were not cut off. Peak MiB is the server's resident memory. "Read ÷ payload"
counts what the server read from sockets and files: 1 for a push says that nothing was read back. "Load" is the share of
a core that the load process took: a small Node client on raw sockets in a process of its own.

${report.date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node};
${report.storage}. Servers and load share this one machine, over the loopback.
`
}

/** Writes the report as JSON and as Markdown, and returns the files. */
export async function writeRegistryReport(report: RegistryReport): Promise<string[]> {
  await mkdir(RESULTS_DIRECTORY, { recursive: true })
  const base = path.join(RESULTS_DIRECTORY, `registry-${report.date.replaceAll(':', '-')}`)
  await writeFile(`${base}.json`, `${JSON.stringify(report, null, 2)}\n`)
  await writeFile(`${base}.md`, formatRegistryReport(report))
  return [`${base}.json`, `${base}.md`]
}

function formatThroughput({ megabytesPerSecond, requestsPerSecond }: ServerFigures): string {
  return megabytesPerSecond > 10 ? `${megabytesPerSecond.toFixed(0)} MB/s` : `${requestsPerSecond.toFixed(0)} per s`
}

function formatFigure(value: number | undefined): string {
  if (value === undefined) return '–'
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
}
