import { fileURLToPath } from 'node:url'
import type { NetworkNode } from '../../test/harness/namespaces.ts'
import { run } from '../../test/harness/process.ts'
import type { Cell, Subject } from './cells.ts'
import type { LoadJob, LoadResult } from './load-job.ts'
import { Payload } from './payload.ts'
import { resetPeak, usageOf } from './server-usage.ts'
import type { MeasuredServer } from './servers.ts'
import { warmMemory } from './warm-memory.ts'

const LOAD_PROCESS = fileURLToPath(new URL('load-process.ts', import.meta.url))
const REPOSITORY = 'bench/registry'
/** Beside the budget of the cell: to start, to hash, and to push what the pulls ask for. */
const GRACE_MS = 120_000
/** Salt of the blobs that the pulls ask for. */
const SEED = 'seed'

/** One cell, once, on one server. */
export interface Sample {
  readonly seconds: number
  readonly bytes: number
  readonly completed: number
  readonly latenciesMs: readonly number[]
  readonly clientCpuSeconds: number
  readonly serverCpuSeconds: number
  readonly serverReadBytes: number
  readonly serverPeakBytes: number
}

/** Pushes what the pulls of a subject ask for. */
export async function seed(node: NetworkNode, server: MeasuredServer, subject: Subject): Promise<void> {
  if (subject.seeds === 0) return
  const cell = { kind: 'push-blobs', concurrency: 1, count: subject.seeds, budgetMs: GRACE_MS } as const
  await loadWith(node, jobOf(server, subject, cell, SEED))
}

/** Measures a cell once. @param round tells what it pushes from what others pushed */
export async function measureCell(
  node: NetworkNode,
  server: MeasuredServer,
  subject: Subject,
  cell: Cell,
  round: number
): Promise<Sample> {
  const salt = cell.kind === 'pull-blobs' ? SEED : `c${cell.concurrency}-r${round}`
  await warmMemory(subject, cell)
  resetPeak(server.pid)
  const before = usageOf(server.pid)
  const result = await loadWith(node, jobOf(server, subject, cell, salt))
  const after = usageOf(server.pid)
  return {
    ...result,
    serverCpuSeconds: after.cpuSeconds - before.cpuSeconds,
    serverReadBytes: after.readBytes - before.readBytes,
    serverPeakBytes: after.peakBytes
  }
}

/** Fast is worth nothing when the bytes are wrong. @throws Error when they are */
export async function checkSeed(node: NetworkNode, server: MeasuredServer, subject: Subject): Promise<void> {
  if (subject.seeds === 0) return
  const digest = new Payload(subject.size, SEED).digest(0)
  const url = `http://${server.host}:${server.port}/v2/${REPOSITORY}/blobs/${digest}`
  const command = ['sh', '-c', 'curl --silent --show-error --fail "$1" | sha256sum', 'sh', url]
  const output = await run(command, { namespace: node.namespace, deadlineMs: GRACE_MS })
  if (!digest.endsWith(output.split(' ')[0] ?? '')) throw new Error(`${server.name} served ${output} for ${digest}`)
}

function jobOf(server: MeasuredServer, { size }: Subject, cell: Cell, salt: string): LoadJob {
  const { host, port } = server
  return { host, port, repository: REPOSITORY, size, salt, ...cell }
}

async function loadWith(node: NetworkNode, job: LoadJob): Promise<LoadResult> {
  const output = await run([process.execPath, LOAD_PROCESS, JSON.stringify(job)], {
    namespace: node.namespace,
    name: `${job.kind} with ${job.concurrency} at a time`,
    deadlineMs: job.budgetMs + GRACE_MS
  })
  return JSON.parse(output) as LoadResult
}
