import { type LineSeries, lineChart } from '../../chart/line-chart.ts'
import type { Outcome } from '../outcome.ts'
import type { Row } from './figures.ts'

const BYTES_PER_MIB = 1024 ** 2

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

/** What a curve shows of a run. */
interface Measure {
  /** What the name of the file ends with. */
  readonly suffix: string
  readonly title: string
  readonly subtitle: string
  readonly label: string
  readonly best: string
  readonly of: (outcome: Outcome) => number | undefined
}

const TIME: Measure = {
  suffix: '',
  title: 'Time over the fluid bound',
  subtitle: 'simulated, 99th percentile of the nodes',
  label: 'time ÷ bound',
  best: 'fluid bound',
  of: ({ p99 }) => p99
}
const COPIES: Measure = {
  suffix: '-copies',
  title: 'Copies that the registry sent',
  subtitle: 'simulated',
  label: 'copies',
  best: 'one copy',
  of: ({ seedCopies }) => seedCopies
}

/** The curves that the runs make: where at least two of them differ in one respect. */
export function curves(rows: readonly Row[]): Curve[] {
  const plain = ({ outcome, settings }: Row, of: (outcome: Outcome) => number) =>
    settings === '' ? of(outcome) : undefined
  const axes: Axis[] = [
    { file: 'nodes', label: 'nodes', of: (row) => plain(row, ({ nodes }) => nodes) },
    { file: 'chunks', label: 'chunks', of: (row) => plain(row, ({ chunks }) => chunks) }
  ]
  const swept = sweptNames(rows).map(
    (name): Axis => ({ file: name.toLowerCase(), label: name, of: (row) => settingOf(row, name) })
  )
  return [
    ...axes.flatMap((axis) => curve(rows, axis, TIME)),
    ...swept.flatMap((axis) => [...curve(rows, axis, TIME), ...curve(rows, axis, COPIES)])
  ]
}

function curve(rows: readonly Row[], axis: Axis, measure: Measure): Curve[] {
  const series = seriesOf(rows, axis, measure)
  if (series.length === 0) return []
  const { title, subtitle, label, best, suffix } = measure
  const texts = { title: `${title}, by ${axis.label}`, subtitle, xLabel: axis.label, yLabel: label }
  return [{ file: `${axis.file}${suffix}.svg`, svg: lineChart(texts, series, { y: 1, label: best }) }]
}

function seriesOf(rows: readonly Row[], axis: Axis, measure: Measure): LineSeries[] {
  const groups = Map.groupBy(
    rows.filter((row) => axis.of(row) !== undefined && measure.of(row.outcome) !== undefined),
    (row) => groupOf(row.outcome, axis)
  )
  return [...groups]
    .map(([name, members], place) => {
      const points = members.map((row) => ({ x: axis.of(row) ?? 0, y: measure.of(row.outcome) ?? 0 }))
      const unique = points.filter((point, index) => points.findIndex(({ x }) => x === point.x) === index)
      return { name, place, points: unique.toSorted((a, b) => a.x - b.x) }
    })
    .filter(({ points }) => points.length > 1)
}

/** Runs that differ in nothing but the axis are one line. How many chunks an image has may be what is swept. */
function groupOf({ scenario, nodes, chunks, imageBytes }: Outcome, { file }: Axis): string {
  if (file === 'nodes') return `${scenario}, ${chunks} chunks`
  const size = `${Math.round(imageBytes / BYTES_PER_MIB)} MiB`
  return file === 'chunks' ? `${scenario}, ${nodes} nodes` : `${scenario}, ${nodes}, ${size}`
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
