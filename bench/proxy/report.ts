import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sample, Way } from './ways.ts'

const RESULTS = fileURLToPath(new URL('../results', import.meta.url))

/** What came out for one way: medians. */
export interface ProxyRow {
  readonly way: string
  readonly seconds: number
  /** Of the time of a plain pull by one node in the same round. */
  readonly ratio: number
  readonly upstreamCopies: number
  readonly requestsPerBlob: number
}

/** The medians of each way; the first way is what times are compared with, round by round. */
export function summarise(ways: readonly Way[], samples: readonly Sample[]): ProxyRow[] {
  const [first] = ways
  const of = (name: string): Sample[] => samples.filter(({ way }) => way === name)
  const base = of(first?.name ?? '')
  return ways.map(({ name }) => {
    const own = of(name)
    return {
      way: name,
      seconds: median(own.map(({ seconds }) => seconds)),
      ratio: median(own.map(({ seconds }, round) => seconds / (base[round]?.seconds ?? Number.NaN))),
      upstreamCopies: median(own.map(({ upstreamCopies }) => upstreamCopies)),
      requestsPerBlob: median(own.map(({ requestsPerBlob }) => requestsPerBlob))
    }
  })
}

/** A table for people. */
export function formatProxyTable(rows: readonly ProxyRow[]): string {
  const lines = rows.map(({ ratio, requestsPerBlob, seconds, upstreamCopies, way }) =>
    [way, seconds.toFixed(2), ratio.toFixed(2), upstreamCopies.toFixed(3), requestsPerBlob.toFixed(2)].join(' | ')
  )
  const head = 'way | seconds | of a plain pull | copies from the upstream | requests for each blob'
  return [head, '--- | ---: | ---: | ---: | ---:', ...lines].map((line) => `| ${line} |`).join('\n')
}

/** @returns where it was written */
export async function writeProxyReport(report: object): Promise<string> {
  await mkdir(RESULTS, { recursive: true })
  const file = path.join(RESULTS, 'proxy.json')
  await writeFile(file, `${JSON.stringify(report, undefined, 2)}\n`)
  return file
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
}
