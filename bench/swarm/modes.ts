import { setTimeout as delay } from 'node:timers/promises'
import type { BenchImage, BenchProcess, BenchSite, RunningSystem } from '../bench-system.ts'
import type { Puller } from '../client/puller.ts'
import { splitIntoWaves } from '../fluid-bound.ts'
import { sentFromNamespace } from '../process-usage.ts'
import { ROLLING_WAVES, type SwarmCell, VANISHING_SHARE } from './cells.ts'
import type { Meter } from './meter.ts'
import type { PullResult } from './results.ts'

const LINK_POLL_MS = 10
/**
 * One copy has left the registry once its link has carried as much and then rested for so long: longer than TCP waits before
 * it sends a lost segment again (RFC 6298: 200 ms in Linux, then twice as long). What was not delivered nobody can have.
 */
const REST_MS = 1_000
/** Less than this in that time is talk and no chunk. */
const REST_SHARE = 0.002
/** How much of the image has left the registry when peers vanish. */
const VANISH_AT_COPIES = 0.5

/** What a round is played on. */
export interface RoundStage {
  readonly cell: SwarmCell
  readonly site: BenchSite
  readonly running: RunningSystem
  readonly image: BenchImage
  readonly pullers: readonly Puller[]
  readonly meter: Meter
  readonly deadlineMs: number
}

/** How the pulls of a round went. */
export interface RoundPulls {
  readonly pulls: readonly PullResult[]
  readonly failures: readonly string[]
  readonly clientCpuSeconds: number
  readonly events: readonly string[]
}

/** Plays one round: pulls the image with all nodes in the cell's way. */
export async function playRound(stage: RoundStage): Promise<RoundPulls> {
  switch (stage.cell.mode) {
    case 'cold':
    case 'warm':
      return await pullAll(stage, stage.pullers)
    case 'rolling':
      return await pullInWaves(stage)
    case 'registry-lost':
      return await pullWhileRegistryIsLost(stage)
    case 'peers-vanish':
      return await pullWhilePeersVanish(stage)
  }
}

async function pullAll(
  stage: RoundStage,
  pullers: readonly Puller[],
  onPulled: () => void = () => undefined
): Promise<RoundPulls> {
  const { running, image, deadlineMs } = stage
  const outcomes = await Promise.allSettled(
    pullers.map(async (puller) => {
      const figures = await puller.pull(running.base(puller.node), image, { deadlineMs })
      onPulled()
      return figures
    })
  )
  const pulls: PullResult[] = []
  const failures: string[] = []
  let clientCpuSeconds = 0
  for (const [index, outcome] of outcomes.entries()) {
    const node = pullers[index]?.node.name ?? ''
    if (outcome.status === 'rejected') {
      failures.push(String(outcome.reason))
      continue
    }
    const { seconds, firstByteSeconds, manifestSeconds, cpuSeconds } = outcome.value
    pulls.push({ node, seconds, firstByteSeconds, manifestSeconds })
    clientCpuSeconds += cpuSeconds
  }
  return { pulls, failures, clientCpuSeconds, events: [] }
}

async function pullInWaves(stage: RoundStage): Promise<RoundPulls> {
  const waves: RoundPulls[] = []
  for (const wave of splitIntoWaves(stage.pullers, ROLLING_WAVES)) waves.push(await pullAll(stage, wave))
  return {
    pulls: waves.flatMap((wave) => wave.pulls),
    failures: waves.flatMap((wave) => wave.failures),
    clientCpuSeconds: waves.reduce((sum, wave) => sum + wave.clientCpuSeconds, 0),
    events: []
  }
}

async function pullWhileRegistryIsLost(stage: RoundStage): Promise<RoundPulls> {
  const registry = seedProcess(stage)
  const over = new AbortController()
  const firstDone = new AbortController()
  const pulling = pullAll(stage, stage.pullers, () => firstDone.abort()).finally(() => over.abort())
  const copies = await oneCopyHasLeft(registry.pid, stage.image.size, AbortSignal.any([over.signal, firstDone.signal]))
  const events: string[] = []
  if (over.signal.aborted) {
    events.push('all pulls were over before the registry could be killed')
  } else {
    stage.meter.kill(registry)
    const when = firstDone.signal.aborted ? 'the first node had the image' : 'its link rested'
    events.push(`registry killed after ${copies.toFixed(2)} copies, when ${when}`)
  }
  return { ...(await pulling), events }
}

async function pullWhilePeersVanish(stage: RoundStage): Promise<RoundPulls> {
  const { pullers, running, meter } = stage
  const count = Math.ceil(pullers.length * VANISHING_SHARE)
  const leaving = pullers.slice(0, count)
  const staying = pullers.slice(count)
  const over = new AbortController()
  const pulling = pullAll(stage, staying).finally(() => over.abort())
  const leavers = pullAll(stage, leaving)
  await hasLeft(seedProcess(stage).pid, stage.image.size * VANISH_AT_COPIES, over.signal)
  const vanishing = over.signal.aborted
    ? []
    : running.processes.filter((process) => leaving.some((puller) => puller.node === process.node))
  for (const process of vanishing) meter.kill(process)
  const [pulled] = await Promise.all([pulling, leavers])
  return { ...pulled, events: [`${vanishing.length} of ${pullers.length} agents killed in mid-pull`] }
}

function seedProcess(stage: RoundStage): BenchProcess {
  const found = stage.running.processes.find((process) => process.node === stage.site.seed)
  if (found === undefined) throw new Error('nothing runs on the seed')
  return found
}

/** Waits until so many bytes have left the namespace of a process; gives up when the signal says so. */
async function hasLeft(pid: number, bytes: number, signal: AbortSignal): Promise<void> {
  const before = sentFromNamespace(pid)
  while (!signal.aborted && sentFromNamespace(pid) - before < bytes) await delay(LINK_POLL_MS)
}

// Headers and chunks sent twice make it unclear when the last byte of a copy is out; that the link then rests makes it
// clear. Where it does not rest, the signal ends the wait: a node that has the image whole makes it clear too.
async function oneCopyHasLeft(pid: number, size: number, signal: AbortSignal): Promise<number> {
  const before = sentFromNamespace(pid)
  await hasLeft(pid, size, signal)
  let restedAt = performance.now()
  let sent = sentFromNamespace(pid) - before
  while (!signal.aborted && performance.now() - restedAt < REST_MS) {
    await delay(LINK_POLL_MS)
    const now = sentFromNamespace(pid) - before
    if (now - sent < size * REST_SHARE) continue
    sent = now
    restedAt = performance.now()
  }
  return (sentFromNamespace(pid) - before) / size
}
