import type { SwarmCell, SwarmMode } from '../cells.ts'
import type { Results, SwarmResult } from '../results.ts'
import { type Summary, summarise } from '../summary.ts'
import { markdownTable } from './markdown-table.ts'

/** A promise, and what the run says about it. */
export interface TargetResult {
  readonly what: string
  readonly target: string
  readonly measured: string
  readonly met: boolean
}

/** The system that the targets speak of, and plain HTTP. */
const SHOAL = 'shoal'
const PLAIN = 'nginx'

interface Check {
  readonly what: string
  readonly target: string
  /** Undefined when the run has not measured it. */
  measure(results: Results, cores: number): { readonly measured: string; readonly met: boolean } | undefined
}

const COLD_LARGE = find('cold', 8, 1000, 4, 200)
const COLD_SMALL = [find('cold', 8, 10, 1, 200), find('cold', 8, 10, 4, 200)]

const CHECKS: readonly Check[] = [
  {
    what: 'cold, 8 nodes, 1 GB, registry 200 Mbit/s: p99',
    target: '≤ 1.10 × fluid bound',
    measure: (results, cores) => atMost(COLD_LARGE(results, SHOAL, cores)?.overBound, 1.1, '× bound')
  },
  {
    what: '… against plain HTTP (p99)',
    target: '≥ 7 × faster',
    measure: (results, cores) =>
      atLeast(
        ratio(COLD_LARGE(results, PLAIN, cores)?.p99Seconds, COLD_LARGE(results, SHOAL, cores)?.p99Seconds),
        7,
        '×'
      )
  },
  {
    what: '… registry bytes',
    target: '≤ 1.05 × image',
    measure: (results, cores) => atMost(COLD_LARGE(results, SHOAL, cores)?.registryCopies, 1.05, '×')
  },
  {
    what: 'cold, 8 nodes, 10 MB: p99 against plain HTTP',
    target: 'never slower',
    measure: (results, cores) =>
      atMost(worst(COLD_SMALL.map((cell) => slowdown(cell, results, cores))), 1, '× its time')
  },
  {
    what: '… registry bytes',
    target: '≤ 1.3 × image',
    measure: (results, cores) =>
      atMost(worst(COLD_SMALL.map((cell) => cell(results, SHOAL, cores)?.registryCopies)), 1.3, '×')
  },
  ...[200, 1000].flatMap((rate) => [single(100, rate === 200 ? 4 : 1, rate, 1.05), single(1, 1, rate, 1.2)]),
  point('warm-store', 'throughput ratio', "warm pull from the agent's own store", '≥ 0.8 × nginx', 0.8, 'least', '×'),
  point('warm-store', 'shoal first byte ms', '… first byte (median)', '≤ 3 ms', 3, 'most', 'ms'),
  point('peer-to-peer', 'throughput ratio', 'peer to peer, TLS, unshaped', '≥ 0.8 × bare TLS', 0.8, 'least', '×'),
  point('peer-to-peer', 'CPU ratio', '… CPU-seconds per GB, both sides', '≤ 1.3 × bare TLS', 1.3, 'most', '×'),
  point('memory', 'agent idle MiB', 'agent memory, idle', '≤ 150 MiB', 150, 'most', 'MiB'),
  point('memory', 'agent peak MiB', '… while moving 10 GB in 8 layers', '≤ 350 MiB', 350, 'most', 'MiB'),
  ...[1000, 100].map((megabytes) => vanish(megabytes))
]

/** The targets that the run says something about. */
export function checkTargets(results: Results, cores: number): TargetResult[] {
  return CHECKS.flatMap(({ what, target, measure }) => {
    const found = measure(results, cores)
    return found === undefined ? [] : [{ what, target, ...found }]
  })
}

/** The targets as a table. */
export function targetsTable(targets: readonly TargetResult[]): string {
  const rows = targets.map(({ what, target, measured, met }) => [what, target, measured, met ? 'met' : 'NOT met'])
  return markdownTable([['what', 'target', 'measured', ''], ...rows])
}

type Finder = (results: Results, system: string, cores: number) => Summary | undefined

function find(mode: SwarmMode, nodes: number, megabytes: number, layers: number, registryMbit: number): Finder {
  const wanted = { mode, nodes, megabytes, layers, registryMbit }
  return (results, system, cores) => {
    const result = findResult(results, system, wanted)
    return result === undefined ? undefined : summarise(result, cores)
  }
}

function findResult(results: Results, system: string, wanted: Partial<SwarmCell>): SwarmResult | undefined {
  return results.swarm.find(
    (result) =>
      result.system === system &&
      Object.entries(wanted).every(([key, value]) => Reflect.get(result.cell, key) === value)
  )
}

function slowdown(finder: Finder, results: Results, cores: number): number | undefined {
  return ratio(finder(results, SHOAL, cores)?.p99Seconds, finder(results, PLAIN, cores)?.p99Seconds)
}

function single(megabytes: number, layers: number, rate: number, most: number): Check {
  const finder = find('cold', 1, megabytes, layers, rate)
  return {
    what: `1 node, nothing to share, ${megabytes} MB at ${rate} Mbit/s: p50 against plain HTTP`,
    target: `≤ ${most} × its time`,
    measure: (results, cores) =>
      atMost(
        ratio(finder(results, SHOAL, cores)?.p50Seconds, finder(results, PLAIN, cores)?.p50Seconds),
        most,
        '× its time'
      )
  }
}

function point(
  name: string,
  figure: string,
  what: string,
  target: string,
  limit: number,
  side: 'most' | 'least',
  unit: string
): Check {
  return {
    what,
    target,
    measure: (results) => {
      const value = results.points.find((each) => each.cell.name === name)?.figures[figure]
      return side === 'most' ? atMost(value, limit, unit) : atLeast(value, limit, unit)
    }
  }
}

function vanish(megabytes: number): Check {
  return {
    what: `30 % of the peers vanish in mid-pull, ${megabytes} MB: p99 of those who stay`,
    target: '≤ 1.5 × bound, no pull fails',
    measure: (results, cores) => {
      const result = findResult(results, SHOAL, { mode: 'peers-vanish', megabytes, registryMbit: 200 })
      const summary = result && summarise(result, cores)
      if (summary?.overBound === undefined) return undefined
      const { overBound, failures } = summary
      return {
        measured: `${overBound.toFixed(2)} × bound, ${failures} failed`,
        met: overBound <= 1.5 && failures === 0
      }
    }
  }
}

function ratio(value: number | undefined, base: number | undefined): number | undefined {
  return value === undefined || base === undefined ? undefined : value / base
}

function worst(values: readonly (number | undefined)[]): number | undefined {
  const known = values.filter((value) => value !== undefined)
  return known.length === 0 ? undefined : Math.max(...known)
}

function atMost(value: number | undefined, limit: number, unit: string) {
  return value === undefined ? undefined : { measured: `${value.toFixed(2)} ${unit}`, met: value <= limit }
}

function atLeast(value: number | undefined, limit: number, unit: string) {
  return value === undefined ? undefined : { measured: `${value.toFixed(2)} ${unit}`, met: value >= limit }
}
