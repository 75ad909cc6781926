import type { Results } from '../results.ts'
import { summarise } from '../summary.ts'
import { markdownTable } from './markdown-table.ts'
import { cellTitle } from './tables.ts'

const HEAD = [
  'cell',
  'system',
  'p50 s',
  'p99 s',
  '÷ fluid bound',
  'registry bytes ÷ image',
  'CPU-s/GB',
  'processor busy'
]

/** All cells and systems in one table, narrow enough to be quoted. */
export function overviewTable(results: Results, cores: number): string {
  const rows = results.swarm.map((result, index) => {
    const title = results.swarm[index - 1]?.cell.name === result.cell.name ? '' : cellTitle(result.cell)
    const summary = summarise(result, cores)
    if (summary === undefined) return [title, result.system, 'failed']
    return [
      title,
      result.system,
      summary.p50Seconds.toFixed(2),
      summary.p99Seconds.toFixed(2),
      summary.overBound?.toFixed(2) ?? '',
      summary.registryCopies.toFixed(2),
      summary.cpuSecondsPerGB.toFixed(1),
      summary.measurable ? `${(summary.cpuBusy * 100).toFixed(0)} %` : ''
    ]
  })
  return rows.length === 0 ? '' : markdownTable([HEAD, ...rows])
}
