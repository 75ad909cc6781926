import { setTimeout as delay } from 'node:timers/promises'
import { Puller } from '../client/puller.ts'
import { memoryUse, resetPeakMemory } from '../process-usage.ts'
import { buildSite } from '../swarm/site.ts'
import { startShoal } from '../systems/shoal-mesh.ts'
import { BYTES_PER_MB, type Figures, type PointStage } from './point.ts'

/** Two, so that each also sends. */
const AGENTS = 2
/** What a start needs and gives back soon is not what an idle agent holds. */
const IDLE_AFTER_MS = 10_000
const MIB = 1024 ** 2

/** How much memory agents and the registry hold: idle, and at most while a large image is pushed and two agents pull it. */
export async function measureMemory(stage: PointStage): Promise<Figures> {
  const { cell, room, images, deadlineMs } = stage
  const site = await buildSite(room, AGENTS)
  const { registry, agents, base, publish } = await startShoal(site)
  const pullers = await Promise.all(site.nodes.map((node) => Puller.start(node)))
  await delay(IDLE_AFTER_MS)
  const agentPids = agents.map((agent) => agent.process.pid)
  const pids = [registry.process.pid, ...agentPids]
  const idleAgent = Math.max(...agentPids.map((pid) => memoryUse(pid).resident)) / MIB
  const idleRegistry = memoryUse(registry.process.pid).resident / MIB
  for (const pid of pids) resetPeakMemory(pid)
  const image = await images.make(cell.megabytes * BYTES_PER_MB, cell.layers, 0)
  await publish(image)
  const pushed = memoryUse(registry.process.pid).peak / MIB
  await images.discard(image)
  const startedAt = performance.now()
  await Promise.all(pullers.map((puller) => puller.pull(base, image, { deadlineMs })))
  return {
    'agent idle MiB': idleAgent,
    'agent peak MiB': Math.max(...agentPids.map((pid) => memoryUse(pid).peak)) / MIB,
    'registry idle MiB': idleRegistry,
    'registry peak in push MiB': pushed,
    'registry peak MiB': memoryUse(registry.process.pid).peak / MIB,
    'pull s': (performance.now() - startedAt) / 1000
  }
}
