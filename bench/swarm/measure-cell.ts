import { within } from '../../test/harness/deadline.ts'
import type { Room, RunWorkspace } from '../../test/harness/run-workspace.ts'
import type { BenchImage, BenchSite, BenchSystem, RunningSystem } from '../bench-system.ts'
import { Puller } from '../client/puller.ts'
import { claimMemory } from '../used-memory.ts'
import type { SwarmCell } from './cells.ts'
import type { Images } from './images.ts'
import { Meter } from './meter.ts'
import { playRound } from './modes.ts'
import { endGently } from './profiles.ts'
import type { RoundResult, SwarmResult } from './results.ts'
import { buildSite, fitsInMemory } from './site.ts'

const BYTES_PER_MB = 1e6
const WARM_UP_BYTES = 10e6
const WARM_UP_LAYERS = 4
const ON_DISK = 'all stores lie on the disk of this machine'

/** What measuring needs. */
export interface MeasureInit {
  readonly workspace: RunWorkspace
  readonly images: Images
  /** How long a cell may take with one system. */
  readonly deadlineMs: number
  /** Ends processes so that they write the profiles that were asked of them. */
  readonly profile: boolean
}

/** Measures a cell with one system, on networks of its own. A failure is part of the result. */
export async function measureCell(cell: SwarmCell, system: BenchSystem, init: MeasureInit): Promise<SwarmResult> {
  const startedAt = performance.now()
  const rounds: RoundResult[] = []
  let error: string | undefined
  try {
    await within(measureRounds(cell, system, init, rounds), {
      deadlineMs: init.deadlineMs,
      what: `${cell.name} with ${system.name}`
    })
  } catch (cause) {
    error = cause instanceof Error ? cause.message : String(cause)
  }
  const seconds = (performance.now() - startedAt) / 1000
  return { cell, system: system.name, rounds, seconds, ...(error === undefined ? {} : { error }) }
}

async function measureRounds(
  cell: SwarmCell,
  system: BenchSystem,
  init: MeasureInit,
  rounds: RoundResult[]
): Promise<void> {
  const size = cell.megabytes * BYTES_PER_MB
  // Whoever was killed is not started again: such rounds begin with a new network.
  const destructive = cell.mode === 'registry-lost' || cell.mode === 'peers-vanish'
  const roundsEach = destructive ? 1 : cell.rounds
  const stored = size * roundsEach * (system.peerToPeer ? cell.nodes + 1 : 1)
  for (let first = 0; first < cell.rounds; first += roundsEach) {
    const inMemory = await fitsInMemory(stored)
    const room = init.workspace.room('cell', { inMemory })
    // Also when the deadline has passed and nobody waits any more: the rounds of an abandoned cell fail by it.
    const closing = setTimeout(() => room.close(), init.deadlineMs)
    try {
      await measureInRoom(cell, system, init, { room, inMemory, first, count: roundsEach, rounds })
    } finally {
      clearTimeout(closing)
      room.close()
    }
  }
}

interface RoomPlan {
  readonly room: Room
  readonly inMemory: boolean
  readonly first: number
  readonly count: number
  readonly rounds: RoundResult[]
}

async function measureInRoom(cell: SwarmCell, system: BenchSystem, init: MeasureInit, plan: RoomPlan): Promise<void> {
  const site = await buildSite(plan.room, cell.nodes, cell.registryMbit)
  const running = await system.start(site)
  const pullers = await Promise.all(site.nodes.map((node) => Puller.start(node)))
  await warmUp(running, pullers, init)
  for (let number = plan.first; number < plan.first + plan.count; number++) {
    const image = await init.images.make(cell.megabytes * BYTES_PER_MB, cell.layers, number)
    await running.publish(image)
    if (cell.mode === 'warm') {
      await Promise.all(pullers.map((puller) => puller.pull(running.base(puller.node), image, init)))
    }
    if (plan.inMemory && system.peerToPeer && cell.mode !== 'warm') {
      await claimMemory(image.size * cell.nodes, site.directory('memory'))
    }
    const round = await measureRound(cell, site, running, image, pullers, init)
    plan.rounds.push(plan.inMemory ? round : { ...round, events: [...round.events, ON_DISK] })
    await verify(running, image, pullers, init)
  }
  if (init.profile) await endGently(running.processes)
}

async function measureRound(
  cell: SwarmCell,
  site: BenchSite,
  running: RunningSystem,
  image: BenchImage,
  pullers: readonly Puller[],
  init: MeasureInit
): Promise<RoundResult> {
  const { deadlineMs } = init
  const meter = new Meter(running.processes)
  const sentBefore = (await site.seed.linkBytes()).sent
  const startedAt = performance.now()
  const pulled = await playRound({ cell, site, running, image, pullers, meter, deadlineMs })
  const seconds = (performance.now() - startedAt) / 1000
  return {
    ...pulled,
    seconds,
    machineCpuSeconds: meter.machineCpuSeconds(),
    processes: meter.results(),
    registryBytes: (await site.seed.linkBytes()).sent - sentBefore
  }
}

// Agents and registries run for weeks: what a process compiles and connects in its first second is no part of a pull.
async function warmUp(running: RunningSystem, pullers: readonly Puller[], init: MeasureInit): Promise<void> {
  const image = await init.images.make(WARM_UP_BYTES, WARM_UP_LAYERS, 0, 'warm-up')
  await running.publish(image)
  await Promise.all(pullers.map((puller) => puller.pull(running.base(puller.node), image, init)))
}

// One node, after the clock has stopped: fast is worth nothing when the bytes are wrong. The last one: nobody kills it.
async function verify(
  running: RunningSystem,
  image: BenchImage,
  pullers: readonly Puller[],
  init: MeasureInit
): Promise<void> {
  const puller = pullers.at(-1)
  await puller?.pull(running.base(puller.node), image, { deadlineMs: init.deadlineMs, verify: true })
}
