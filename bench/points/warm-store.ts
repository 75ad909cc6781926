import type { BenchImage, BenchProcess } from '../bench-system.ts'
import { Puller } from '../client/puller.ts'
import { cpuSeconds } from '../process-usage.ts'
import { percentile } from '../statistics.ts'
import { buildSite } from '../swarm/site.ts'
import { startNginx } from '../systems/nginx-server.ts'
import { startShoal } from '../systems/shoal-mesh.ts'
import { BYTES_PER_GB, BYTES_PER_MB, type Figures, type PointStage } from './point.ts'

/** First bytes are measured by pulls of a small image. */
const SMALL_BYTES = 1e6
const SMALL_PULLS = 41
const WARM_UP_PULLS = 20

/** How fast an agent gives out what it has, against nginx on the same node, in turns. */
export async function measureWarmStore(stage: PointStage): Promise<Figures> {
  const { cell, room, images, deadlineMs } = stage
  const site = await buildSite(room, 1)
  const [node = site.seed] = site.nodes
  const { agents, base, publish } = await startShoal(site)
  const nginx = await startNginx(node, room.subdirectory('nginx'))
  const puller = await Puller.start(node)
  const image = await images.make(cell.megabytes * BYTES_PER_MB, cell.layers, 0)
  const small = await images.make(SMALL_BYTES, 1, 0)
  for (const each of [image, small]) {
    await publish(each)
    await nginx.publish(each)
    await puller.pull(base, each, { deadlineMs, verify: true })
  }
  const agentProcesses = agents.map((agent) => ({ role: 'agent', node, pid: agent.process.pid }))
  const contestants = [
    { name: 'nginx', base: nginx.base, processes: nginx.processes },
    { name: 'shoal', base, processes: agentProcesses }
  ]
  const figures: Figures = {}
  for (const contestant of contestants) {
    const firstBytes: number[] = []
    for (let pull = 0; pull < WARM_UP_PULLS + SMALL_PULLS; pull++) {
      const { firstByteSeconds } = await puller.pull(contestant.base, small, { deadlineMs })
      if (pull >= WARM_UP_PULLS) firstBytes.push(firstByteSeconds)
    }
    figures[`${contestant.name} first byte ms`] = percentile(firstBytes, 50) * 1000
    figures[`${contestant.name} first byte p99 ms`] = percentile(firstBytes, 99) * 1000
  }
  const rates: Record<string, number[]> = {}
  const costs: Record<string, number[]> = {}
  for (let round = 0; round < cell.rounds; round++) {
    for (const { name, base: from, processes } of contestants) {
      const before = totalCpu(processes)
      const { seconds } = await puller.pull(from, image, { deadlineMs })
      rates[name] = [...(rates[name] ?? []), megabytes(image) / seconds]
      costs[name] = [...(costs[name] ?? []), (totalCpu(processes) - before) / (image.size / BYTES_PER_GB)]
    }
  }
  for (const { name } of contestants) {
    figures[`${name} MB/s`] = percentile(rates[name] ?? [], 50)
    figures[`${name} CPU-s/GB`] = percentile(costs[name] ?? [], 50)
  }
  return { ...figures, 'throughput ratio': (figures['shoal MB/s'] ?? 0) / (figures['nginx MB/s'] ?? 0) }
}

function totalCpu(processes: readonly BenchProcess[]): number {
  return processes.reduce((sum, { pid }) => sum + cpuSeconds(pid), 0)
}

function megabytes(image: BenchImage): number {
  return image.size / BYTES_PER_MB
}
