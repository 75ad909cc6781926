import { type LineSeries, lineChart } from '../../chart/line-chart.ts'
import type { Outcome } from '../outcome.ts'
import type { Row } from './figures.ts'

/** A picture and the name of its file. */
export interface Curve {
  readonly file: string
  readonly svg: string
}

interface Axis {
  readonly file: string
  readonly label: string
  readonly of: (row: Row) => number | undefined
}

/** The curves that the runs make: where at least two of them differ in one respect. */
export function curves(rows: readonly Row[]): Curve[] {
  const axes: Axis[] = [
    { file: 'nodes', label: 'nodes', of: ({ outcome, settings }) => (settings === '' ? outcome.nodes : undefined) },
    { file: 'chunks', label: 'chunks', of: ({ outcome, settings }) => (settings === '' ? outcome.chunks : undefined) },
    ...sweptNames(rows).map(
      (name): Axis => ({ file: name.toLowerCase(), label: name, of: (row) => settingOf(row, name) })
    )
  ]
  return axes.flatMap((axis) => {
    const series = seriesOf(rows, axis)
    if (series.length === 0) return []
    const texts = {
      title: `Time over the fluid bound, by ${axis.label}`,
      subtitle: 'simulated, 99th percentile of the nodes',
      xLabel: axis.label,
      yLabel: 'time ÷ bound'
    }
    return [{ file: `${axis.file}.svg`, svg: lineChart(texts, series, { y: 1, label: 'fluid bound' }) }]
  })
}

function seriesOf(rows: readonly Row[], axis: Axis): LineSeries[] {
  const groups = Map.groupBy(
    rows.filter((row) => axis.of(row) !== undefined && row.outcome.p99 !== undefined),
    (row) => groupOf(row.outcome, axis)
  )
  return [...groups]
    .map(([name, members], place) => {
      const points = members.map((row) => ({ x: axis.of(row) ?? 0, y: row.outcome.p99 ?? 0 }))
      const unique = points.filter((point, index) => points.findIndex(({ x }) => x === point.x) === index)
      return { name, place, points: unique.toSorted((a, b) => a.x - b.x) }
    })
    .filter(({ points }) => points.length > 1)
}

/** Runs that differ in nothing but the axis are one line. */
function groupOf({ scenario, nodes, chunks }: Outcome, { file }: Axis): string {
  if (file === 'nodes') return `${scenario}, ${chunks} chunks`
  return file === 'chunks' ? `${scenario}, ${nodes} nodes` : `${scenario} ${nodes} × ${chunks}`
}

function sweptNames(rows: readonly Row[]): string[] {
  return [
    ...new Set(rows.flatMap(({ settings }) => [...settings.matchAll(/([A-Z0-9_]+)=/g)].map(([, name = '']) => name)))
  ]
}

function settingOf({ settings }: Row, name: string): number | undefined {
  const [, value] = new RegExp(`(?:^|[ ,])${name}=(-?[0-9.]+)`).exec(settings) ?? []
  return value === undefined ? undefined : Number(value)
}
