import { coreCount } from '../../process-usage.ts'
import type { PointResult, SwarmResult } from '../results.ts'
import { summarise } from '../summary.ts'

/** What a cell came to, in a line for who watches. */
export function swarmLine(result: SwarmResult): string {
  const summary = summarise(result, coreCount())
  const parts: string[] = []
  if (summary !== undefined) {
    parts.push(`p50 ${summary.p50Seconds.toFixed(2)} s, p99 ${summary.p99Seconds.toFixed(2)} s`)
    if (summary.overBound !== undefined) parts.push(`${summary.overBound.toFixed(2)} x bound`)
    parts.push(`${summary.registryCopies.toFixed(2)} copies`, `${summary.cpuSecondsPerGB.toFixed(1)} CPU-s/GB`)
    const others = (summary.cpuOthers * 100).toFixed(0)
    parts.push(`processor ${(summary.cpuBusy * 100).toFixed(0)} % busy, ${others} % by others`)
  }
  parts.push(...new Set(result.rounds.flatMap((round) => round.events)))
  const [failure, ...others] = result.rounds.flatMap((round) => round.failures)
  if (failure !== undefined) parts.push(`${others.length + 1} pulls FAILED: ${failure}`)
  if (result.error !== undefined) parts.push(`FAILED ${result.error}`)
  return `    ${parts.join('; ')}`
}

/** What a point came to, in a line for who watches. */
export function pointLine(result: PointResult): string {
  const figures = Object.entries(result.figures).map(([name, value]) => `${name} ${value.toFixed(2)}`)
  return `    ${[...figures, ...(result.error === undefined ? [] : [`FAILED ${result.error}`])].join('; ')}`
}
