import { barChart } from '../../chart/bar-chart.ts'
import { lineChart } from '../../chart/line-chart.ts'
import type { SeriesKey } from '../../chart/svg-frame.ts'
import type { SwarmCell } from '../cells.ts'
import type { Results } from '../results.ts'
import { type Summary, summarise } from '../summary.ts'

const MIB = 1024 ** 2

/** A picture and the name of its file. */
export interface Plot {
  readonly file: string
  readonly svg: string
}

interface Measured {
  readonly system: string
  /** Among all systems of the results. */
  readonly place: number
  readonly cell: SwarmCell
  readonly summary: Summary
}

/** The pictures that a run's results suffice for. */
export function drawPlots(results: Results, cores: number): Plot[] {
  const systems = [...new Set(results.swarm.map((result) => result.system))]
  const measured = results.swarm.flatMap((result) => {
    const summary = summarise(result, cores)
    return summary === undefined
      ? []
      : [{ system: result.system, place: systems.indexOf(result.system), cell: result.cell, summary }]
  })
  const cold = measured.filter(({ cell }) => cell.mode === 'cold')
  const shared = cold.filter(({ cell }) => cell.nodes > 1)
  return [...byNodes(largestGroup(cold, nodesKey, 'nodes')), ...byRate(largestGroup(shared, rateKey, 'registryMbit'))]
}

function nodesKey({ cell }: Measured): string {
  return `${cell.megabytes} MB in ${layersOf(cell)}, registry link ${cell.registryMbit} Mbit/s, cold pull by all nodes at once`
}

function rateKey({ cell }: Measured): string {
  return `${cell.nodes} nodes, ${cell.megabytes} MB in ${layersOf(cell)}, cold pull by all nodes at once`
}

function layersOf({ layers }: SwarmCell): string {
  return layers === 1 ? '1 layer' : `${layers} layers`
}

interface Group {
  readonly subtitle: string
  readonly measured: readonly Measured[]
}

/** The measurements that differ in nothing but `axis` and the system, and have the most values of it; two at least. */
function largestGroup(
  all: readonly Measured[],
  key: (one: Measured) => string,
  axis: keyof SwarmCell
): Group | undefined {
  const groups = Map.groupBy(all, key)
  let largest: Group | undefined
  let most = 1
  for (const [subtitle, measured] of groups) {
    const values = new Set(measured.map(({ cell }) => cell[axis])).size
    if (values > most) {
      most = values
      largest = { subtitle, measured }
    }
  }
  return largest
}

function byNodes(group: Group | undefined): Plot[] {
  if (group === undefined) return []
  const { subtitle, measured } = group
  const lines = (value: (summary: Summary) => number | undefined) => series(measured, 'nodes', value)
  const xLabel = 'nodes'
  return [
    {
      file: 'time-over-bound-by-nodes.svg',
      svg: lineChart(
        { title: 'Time of the slowest node', subtitle, xLabel, yLabel: 'p99 ÷ fluid bound' },
        lines((summary) => summary.overBound),
        { y: 1, label: 'fluid bound' }
      )
    },
    {
      file: 'registry-copies-by-nodes.svg',
      svg: lineChart(
        { title: 'What leaves the registry', subtitle, xLabel, yLabel: 'registry bytes ÷ image' },
        lines((summary) => summary.registryCopies),
        { y: 1, label: 'one copy' }
      )
    },
    bars(
      group,
      'cpu-per-gb-by-nodes.svg',
      'Processor time of all processes',
      'CPU-seconds per GB delivered',
      (summary) => summary.cpuSecondsPerGB
    ),
    bars(
      group,
      'peak-memory-by-nodes.svg',
      'Memory of the largest process',
      'MiB',
      (summary) => Math.max(...Object.values(summary.peakBytes)) / MIB
    )
  ]
}

function byRate(group: Group | undefined): Plot[] {
  if (group === undefined) return []
  const { subtitle, measured } = group
  return [
    {
      file: 'time-over-bound-by-rate.svg',
      svg: lineChart(
        {
          title: 'Time of the slowest node',
          subtitle,
          xLabel: 'registry link, Mbit/s',
          yLabel: 'p99 ÷ fluid bound'
        },
        series(measured, 'registryMbit', (summary) => summary.overBound),
        { y: 1, label: 'fluid bound' }
      )
    }
  ]
}

function series(
  measured: readonly Measured[],
  axis: 'nodes' | 'registryMbit',
  value: (summary: Summary) => number | undefined
) {
  return keysOf(measured).map(({ name, place }) => ({
    name,
    place,
    points: measured
      .filter((one) => one.system === name)
      .flatMap(({ cell, summary }) => {
        const y = value(summary)
        return y === undefined ? [] : [{ x: cell[axis], y }]
      })
      .toSorted((a, b) => a.x - b.x)
  }))
}

function bars(group: Group, file: string, title: string, yLabel: string, value: (summary: Summary) => number): Plot {
  const keys = keysOf(group.measured)
  const counts = [...new Set(group.measured.map(({ cell }) => cell.nodes))].toSorted((a, b) => a - b)
  const groups = counts.map((nodes) => ({
    label: String(nodes),
    values: keys.map(({ name }) => {
      const found = group.measured.find(({ system, cell }) => system === name && cell.nodes === nodes)
      return found === undefined ? undefined : value(found.summary)
    })
  }))
  return { file, svg: barChart({ title, subtitle: group.subtitle, xLabel: 'nodes', yLabel }, keys, groups) }
}

function keysOf(measured: readonly Measured[]): SeriesKey[] {
  const places = new Map(measured.map(({ system, place }) => [system, place]))
  return [...places].map(([name, place]) => ({ name, place })).toSorted((a, b) => a.place - b.place)
}
