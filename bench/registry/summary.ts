import { percentile } from '../statistics.ts'
import type { Cell, Subject } from './cells.ts'
import type { Sample } from './measure.ts'

/** The figures of one server in one cell. */
export interface ServerFigures {
  /** The median of the rounds. */
  readonly requestsPerSecond: number
  readonly megabytesPerSecond: number
  /** Of all requests of all rounds; undefined when all of them were cut off. */
  readonly p50Ms: number | undefined
  readonly p99Ms: number | undefined
  /** Per 10^9 bytes; undefined for manifests. */
  readonly cpuSecondsPerGB: number | undefined
  readonly cpuMsPerRequest: number
  /** What the server read from sockets and files, over the payload. */
  readonly readOverPayload: number | undefined
  readonly peakMiB: number
  /** The share of a core that the load process was busy: close to 1, it is what was measured. */
  readonly clientBusy: number
}

/** One cell, the servers side by side. */
export interface CellSummary {
  readonly subject: string
  readonly cell: Cell
  readonly servers: Readonly<Record<string, ServerFigures>>
  /** Throughput of the second over that of the first, of each the median of the rounds. */
  readonly throughputRatio: number
}

/** Sums up the rounds of a cell. @param samples by server, the one to compare with first */
export function summariseCell(
  subject: Subject,
  cell: Cell,
  samples: ReadonlyMap<string, readonly Sample[]>
): CellSummary {
  const [reference = [], ours = []] = samples.values()
  return {
    subject: subject.name,
    cell,
    servers: Object.fromEntries([...samples].map(([name, rounds]) => [name, figuresOf(rounds, subject)])),
    throughputRatio: percentile(ours.map(throughput), 50) / percentile(reference.map(throughput), 50)
  }
}

function figuresOf(rounds: readonly Sample[], { size }: Subject): ServerFigures {
  const latencies = rounds.flatMap((round) => round.latenciesMs)
  const sum = (of: (round: Sample) => number): number => rounds.reduce((total, round) => total + of(round), 0)
  const bytes = sum((round) => round.bytes)
  const ofBlobs = (value: number): number | undefined => (size === 0 ? undefined : value)
  return {
    requestsPerSecond: percentile(
      rounds.map((round) => round.completed / round.seconds),
      50
    ),
    megabytesPerSecond: percentile(
      rounds.map((round) => round.bytes / round.seconds / 1e6),
      50
    ),
    p50Ms: latencies.length === 0 ? undefined : percentile(latencies, 50),
    p99Ms: latencies.length === 0 ? undefined : percentile(latencies, 99),
    cpuSecondsPerGB: ofBlobs(sum((round) => round.serverCpuSeconds) / (bytes / 1e9)),
    cpuMsPerRequest: (sum((round) => round.serverCpuSeconds) * 1000) / Math.max(1, latencies.length),
    readOverPayload: ofBlobs(sum((round) => round.serverReadBytes) / bytes),
    peakMiB: Math.max(...rounds.map((round) => round.serverPeakBytes)) / 1024 ** 2,
    clientBusy: sum((round) => round.clientCpuSeconds) / sum((round) => round.seconds)
  }
}

/** Bytes where they are many; requests that were cut off brought some too. */
function throughput(sample: Sample): number {
  return (sample.bytes > 1e6 ? sample.bytes : sample.completed) / sample.seconds
}
