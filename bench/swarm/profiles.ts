import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { waitFor } from '../../test/harness/deadline.ts'
import type { BenchProcess } from '../bench-system.ts'
import { hasEnded } from '../process-usage.ts'
import { markdownTable } from './report/markdown-table.ts'

const STOP_DEADLINE_MS = 60_000
const ROWS = 30
/** What V8 calls time in which none of the program's functions ran. */
const NOT_WORK = new Set(['(root)', '(idle)'])

/** Has every Node process that is started from now on write a CPU profile into the directory when it ends. */
export function requestProfiles(directory: string): void {
  mkdirSync(directory, { recursive: true })
  const asked = `--cpu-prof --cpu-prof-dir=${directory}`
  process.env.NODE_OPTIONS = [process.env.NODE_OPTIONS, asked].filter(Boolean).join(' ')
}

/** Ends processes in the way that lets them write their profiles. */
export async function endGently(processes: readonly BenchProcess[]): Promise<void> {
  const running = processes.filter(({ pid }) => !hasEnded(pid))
  for (const { pid } of running) process.kill(pid, 'SIGTERM')
  const allEnded = () => (running.every(({ pid }) => hasEnded(pid)) ? true : undefined)
  await waitFor(allEnded, { deadlineMs: STOP_DEADLINE_MS, what: 'processes writing their profiles' })
}

interface ProfileNode {
  readonly id: number
  readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
}

/** The part of a `.cpuprofile` that is read here. */
export interface CpuProfile {
  readonly nodes: readonly ProfileNode[]
  readonly samples: readonly number[]
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[]
}

/** Where processes spent their time, summed over the profiles: tables by package and by function, of the time in themselves. */
export function profileTables(profiles: readonly CpuProfile[]): string {
  return [tableOf(profiles, 'package', areaOf), tableOf(profiles, 'function', nameOf)].join('\n\n')
}

function tableOf(profiles: readonly CpuProfile[], what: string, key: (node: ProfileNode) => string): string {
  const times = new Map<string, number>()
  for (const { nodes, samples, timeDeltas } of profiles) {
    const working = nodes.filter((node) => !NOT_WORK.has(node.callFrame.functionName))
    const keys = new Map(working.map((node) => [node.id, key(node)]))
    for (const [index, id] of samples.entries()) {
      const name = keys.get(id)
      if (name !== undefined) times.set(name, (times.get(name) ?? 0) + (timeDeltas[index] ?? 0))
    }
  }
  const sorted = [...times].toSorted(([, a], [, b]) => b - a)
  const total = sorted.reduce((sum, [, time]) => sum + time, 0)
  const rows = sorted
    .slice(0, ROWS)
    .map(([name, time]) => [`${((time / total) * 100).toFixed(1)} %`, (time / 1e6).toFixed(2), name])
  return markdownTable([['of all', 's', what], ...rows])
}

/** Reads the profiles in a directory. */
export function readProfiles(directory: string): CpuProfile[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.cpuprofile'))
    .map((name) => JSON.parse(readFileSync(path.join(directory, name), 'utf8')) as CpuProfile)
}

function nameOf({ callFrame: { functionName, url, lineNumber } }: ProfileNode): string {
  const file = shortUrl(url)
  return file === '' ? functionName : `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`
}

/** `packages/swarm`, `libp2p`, `@libp2p/kad-dht`, `node:`; V8's own word for what is no JavaScript. */
function areaOf({ callFrame: { functionName, url } }: ProfileNode): string {
  const file = shortUrl(url)
  if (file === '') return functionName.startsWith('(') ? functionName : '(native functions)'
  if (file.startsWith('node:')) return 'node:'
  return file.match(/^packages\/[^/]+|(?<=^node_modules\/)(?:@[^/]+\/)?[^/]+/)?.[0] ?? file
}

function shortUrl(url: string): string {
  return url.replace(/^file:\/\//, '').replace(/^.*\/(?=packages\/|node_modules\/)/, '')
}
