import type { SwarmCell } from '../cells.ts'
import type { PointResult, Results } from '../results.ts'
import { type Summary, summarise } from '../summary.ts'
import { markdownTable } from './markdown-table.ts'

const MIB = 1024 ** 2
const SATURATED = 0.9
const HEAD = [
  'system',
  'p50 s',
  'p99 s',
  'first byte p50 ms',
  'p99 ms',
  '÷ fluid bound',
  '÷ machine bound',
  'registry bytes ÷ image',
  'CPU-s/GB',
  'processor busy',
  'by others',
  'peak MiB',
  'failed'
]

/** A table for each cell. */
export function swarmTables(results: Results, cores: number): string {
  const cells = [...new Map(results.swarm.map((result) => [result.cell.name, result.cell])).values()]
  return cells
    .map((cell) => {
      const rows = results.swarm
        .filter((result) => result.cell.name === cell.name)
        .map((result) => {
          const summary = summarise(result, cores)
          if (summary === undefined) return [result.system, `failed: ${firstLine(result.error)}`]
          return swarmRow(result.system, summary)
        })
      const events = new Set(
        results.swarm
          .filter((result) => result.cell.name === cell.name)
          .flatMap((result) =>
            result.rounds.flatMap((round) => round.events.map((event) => `${result.system}: ${event}`))
          )
      )
      const notes = [...events].map((event) => `\n- ${event}`).join('')
      return `### ${cellTitle(cell)}\n\n${markdownTable([HEAD, ...rows])}${notes === '' ? '' : `\n${notes}`}`
    })
    .join('\n\n')
}

/** A table of the figures of each point. */
export function pointTables(points: readonly PointResult[]): string {
  return points
    .map((point) => {
      const rows = Object.entries(point.figures).map(([name, value]) => [name, value.toFixed(2)])
      if (point.error !== undefined) rows.push(['failed', firstLine(point.error)])
      return `### ${point.cell.name}\n\n${markdownTable([['figure', 'value'], ...rows])}`
    })
    .join('\n\n')
}

/** What a cell is about, in words. */
export function cellTitle(cell: SwarmCell): string {
  const nodes = cell.nodes === 1 ? '1 node' : `${cell.nodes} nodes`
  const layers = cell.layers === 1 ? '1 layer' : `${cell.layers} layers`
  return `${cell.mode}: ${nodes}, ${cell.megabytes} MB in ${layers}, registry link ${cell.registryMbit} Mbit/s`
}

function swarmRow(system: string, summary: Summary): string[] {
  const peaks = Object.entries(summary.peakBytes).map(([role, bytes]) => `${role} ${(bytes / MIB).toFixed(0)}`)
  const busy = `${(summary.cpuBusy * 100).toFixed(0)} %${summary.cpuBusy >= SATURATED ? ' (saturated)' : ''}`
  return [
    system,
    seconds(summary.p50Seconds),
    seconds(summary.p99Seconds),
    (summary.firstByteP50Seconds * 1000).toFixed(1),
    (summary.firstByteP99Seconds * 1000).toFixed(1),
    summary.overBound?.toFixed(2) ?? '',
    summary.overMachineBound?.toFixed(2) ?? '',
    summary.registryCopies.toFixed(2),
    summary.cpuSecondsPerGB.toFixed(2),
    busy,
    `${(summary.cpuOthers * 100).toFixed(0)} %`,
    peaks.join(', '),
    String(summary.failures)
  ]
}

function seconds(value: number): string {
  return value < 1 ? value.toFixed(3) : value.toFixed(2)
}

function firstLine(text: string | undefined): string {
  return text?.split('\n')[0] ?? 'no pull succeeded'
}
