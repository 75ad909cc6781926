import { fluidBoundSeconds, rollingBoundSeconds, splitIntoWaves } from '../fluid-bound.ts'
import { mean, percentile } from '../statistics.ts'
import { NODE_LINK_MBIT, ROLLING_WAVES, type SwarmCell } from './cells.ts'
import type { RoundResult, SwarmResult } from './results.ts'

const BYTES_PER_MB = 1e6
const BYTES_PER_GB = 1e9
const MEASURABLE_CORE_SECONDS = 1

/** The figures of a cell and system. */
export interface Summary {
  readonly p50Seconds: number
  readonly p99Seconds: number
  readonly firstByteP50Seconds: number
  readonly firstByteP99Seconds: number
  /** p99, or for a rolling pull the whole rollout, over the fluid bound; undefined where no link bounds the time. */
  readonly overBound: number | undefined
  /** The same over the fluid bound or the time that all cores need for the work, whichever is longer. */
  readonly overMachineBound: number | undefined
  readonly boundSeconds: number | undefined
  /** Bytes over the registry's link, in images; the mean over the rounds. */
  readonly registryCopies: number
  /** Processor time of the system's processes for 10^9 bytes delivered to a node. */
  readonly cpuSecondsPerGB: number
  /** How much of the machine's processor time was in use, by whomever. */
  readonly cpuBusy: number
  /** The part of that which was neither the system's nor its clients': the kernel's own, and other programs'. */
  readonly cpuOthers: number
  /** Whether the pulls lasted long enough for the kernel's clock ticks of 10 ms to say how busy the cores were. */
  readonly measurable: boolean
  /** By role, the most that one process of it held. */
  readonly peakBytes: Readonly<Record<string, number>>
  readonly failures: number
}

/** The least time that the links of a cell leave, in seconds; undefined for a warm pull, which uses none. */
export function cellBoundSeconds(cell: SwarmCell): number | undefined {
  const bytes = cell.megabytes * BYTES_PER_MB
  const links = { seedUp: cell.registryMbit, nodeUp: NODE_LINK_MBIT, nodeDown: NODE_LINK_MBIT }
  if (cell.mode === 'warm') return undefined
  if (cell.mode !== 'rolling') return fluidBoundSeconds(bytes, cell.nodes, links)
  const waves = splitIntoWaves(Array.from({ length: cell.nodes }), ROLLING_WAVES)
  return rollingBoundSeconds(
    bytes,
    waves.map((wave) => wave.length),
    links
  )
}

/** Sums up what was measured; undefined when no pull succeeded. */
export function summarise(result: SwarmResult, cores: number): Summary | undefined {
  const { cell, rounds } = result
  const pulls = rounds.flatMap((round) => round.pulls)
  if (pulls.length === 0) return undefined
  const bytes = cell.megabytes * BYTES_PER_MB
  const seconds = pulls.map((pull) => pull.seconds)
  const firstBytes = pulls.map((pull) => pull.firstByteSeconds)
  const bound = cellBoundSeconds(cell)
  const reached = cell.mode === 'rolling' ? mean(rounds.map((round) => round.seconds)) : percentile(seconds, 99)
  const workSeconds = Math.max(...rounds.map((round) => ownCpu(round) / cores))
  const coreSeconds = sum(rounds.map((round) => round.seconds * cores))
  const machineCpu = sum(rounds.map((round) => round.machineCpuSeconds))
  return {
    p50Seconds: percentile(seconds, 50),
    p99Seconds: percentile(seconds, 99),
    firstByteP50Seconds: percentile(firstBytes, 50),
    firstByteP99Seconds: percentile(firstBytes, 99),
    overBound: bound === undefined ? undefined : reached / bound,
    overMachineBound: bound === undefined ? undefined : reached / Math.max(bound, workSeconds),
    boundSeconds: bound,
    registryCopies: mean(rounds.map((round) => round.registryBytes)) / bytes,
    cpuSecondsPerGB: sum(rounds.map(systemCpu)) / ((bytes * pulls.length) / BYTES_PER_GB),
    cpuBusy: machineCpu / coreSeconds,
    cpuOthers: Math.max(0, machineCpu - sum(rounds.map(ownCpu))) / coreSeconds,
    measurable: coreSeconds >= MEASURABLE_CORE_SECONDS,
    peakBytes: peaks(rounds),
    failures: sum(rounds.map((round) => round.failures.length))
  }
}

function systemCpu(round: RoundResult): number {
  return sum(round.processes.map((process) => process.cpuSeconds))
}

function ownCpu(round: RoundResult): number {
  return systemCpu(round) + round.clientCpuSeconds
}

function peaks(rounds: readonly RoundResult[]): Record<string, number> {
  const most: Record<string, number> = {}
  for (const { role, peakBytes } of rounds.flatMap((round) => round.processes)) {
    most[role] = Math.max(most[role] ?? 0, peakBytes)
  }
  return most
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0)
}
