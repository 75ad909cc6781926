import { markdownTable } from '../../swarm/report/markdown-table.ts'
import { TARGETS } from '../cells.ts'
import { figure, type Row } from './figures.ts'

/** What is promised beside what was found, for the runs that are there; undefined when there is none. */
export function targetTable(rows: readonly Row[]): string | undefined {
  const lines = TARGETS.flatMap(({ scenario, nodes, p99, what, holds }) => {
    const row = rows.find(({ outcome, settings }) => {
      return outcome.scenario === scenario && outcome.nodes === nodes && settings === ''
    })
    if (row === undefined) return []
    const { outcome } = row
    const met = outcome.p99 !== undefined && outcome.p99 <= p99 && holds(outcome)
    return [
      [
        scenario,
        String(nodes),
        `≤ ${p99}`,
        figure(outcome.p99),
        what,
        holds(outcome) ? 'yes' : 'no',
        met ? 'met' : 'missed'
      ]
    ]
  })
  if (lines.length === 0) return undefined
  return markdownTable([['scenario', 'nodes', 'p99 ÷ bound', 'is', 'and', 'holds', 'target'], ...lines])
}
