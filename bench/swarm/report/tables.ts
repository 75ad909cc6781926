import type { SwarmCell } from '../cells.ts'
import type { PointResult, Results, SwarmResult } from '../results.ts'
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
  const cells = Map.groupBy(results.swarm, (result) => result.cell.name)
  return [...cells.values()].map((measured) => cellSection(measured, cores)).join('\n\n')
}

function cellSection(measured: readonly SwarmResult[], cores: number): string {
  const [first] = measured
  if (first === undefined) return ''
  const rows = measured.map((result) => {
    const summary = summarise(result, cores)
    return summary === undefined ? [result.system, 'failed'] : swarmRow(result.system, summary)
  })
  const notes = measured.flatMap((result) => notesOn(result).map((note) => `- ${result.system}: ${note}`))
  const table = `### ${cellTitle(first.cell)}\n\n${markdownTable([HEAD, ...rows])}`
  return notes.length === 0 ? table : `${table}\n\n${notes.join('\n')}`
}

/** What was done to the system, and what went wrong. */
function notesOn({ rounds, error }: SwarmResult): string[] {
  const failures = rounds.flatMap((round) => round.failures)
  const all = [...rounds.flatMap((round) => round.events), ...failures, ...(error === undefined ? [] : [error])]
  return [...new Set(all)].map((note) => note.replaceAll(/\s*\n\s*/g, ' '))
}

/** A table of the figures of each point. */
export function pointTables(points: readonly PointResult[]): string {
  return points
    .map((point) => {
      const rows = Object.entries(point.figures).map(([name, value]) => [name, value.toFixed(2)])
      if (point.error !== undefined) rows.push([`failed: ${point.error.split('\n')[0]}`, ''])
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
  const percents = summary.measurable
    ? [`${percent(summary.cpuBusy)}${summary.cpuBusy >= SATURATED ? ' (saturated)' : ''}`, percent(summary.cpuOthers)]
    : ['', '']
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
    ...percents,
    peaks.join(', '),
    String(summary.failures)
  ]
}

function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`
}

function seconds(value: number): string {
  return value < 1 ? value.toFixed(3) : value.toFixed(2)
}
