import { rm, stat } from 'node:fs/promises'
import { waitFor } from '../../test/harness/deadline.ts'
import type { ShoalAgent } from '../../test/harness/shoal.ts'
import { blobFile } from '../../test/harness/stored-blobs.ts'
import { BarePair } from '../bare/bare-pair.ts'
import type { BenchImage } from '../bench-system.ts'
import { Puller } from '../client/puller.ts'
import { cpuSeconds } from '../process-usage.ts'
import { percentile } from '../statistics.ts'
import { buildSite } from '../swarm/site.ts'
import { startShoal } from '../systems/shoal-mesh.ts'
import { claimMemory } from '../used-memory.ts'
import { BYTES_PER_GB, BYTES_PER_MB, type Figures, type PointStage } from './point.ts'

/** What a blob of the size that is measured is cut into. */
const CHUNK_BYTES = 4 * 1024 * 1024

/**
 * How fast one peer has a blob from another over the direct lane, where no link is shaped, against two bare Node programs
 * that do the same in turns with it. The clock stops when the blob is whole in the store; nobody reads it meanwhile, since
 * the bare pair serves no reader either.
 */
export async function measurePeerToPeer(stage: PointStage): Promise<Figures> {
  const { cell, room, images } = stage
  const size = cell.megabytes * BYTES_PER_MB
  const site = await buildSite(room, 1)
  const [node = site.seed] = site.nodes
  const { registry, agents, publish, base } = await startShoal(site)
  const [agent] = agents
  if (agent === undefined) throw new Error('there is no agent')
  const puller = await Puller.start(node)
  const directory = room.subdirectory('bare')
  const first = await images.make(size, cell.layers, 0)
  const file = first.layers[0]?.file ?? ''
  const pair = await BarePair.start(site.seed, node, { directory, file, size, chunkSize: CHUNK_BYTES })
  const samples: Record<string, number[]> = {}
  const add = (name: string, value: number) => {
    samples[name] = [...(samples[name] ?? []), value]
  }
  const gigabytes = size / BYTES_PER_GB
  for (let round = 0; round < cell.rounds; round++) {
    await claimMemory(size, directory)
    const bare = await pair.transfer()
    add('bare MB/s', size / BYTES_PER_MB / bare.seconds)
    add('bare sender CPU-s/GB', bare.senderCpuSeconds / gigabytes)
    add('bare receiver CPU-s/GB', bare.receiverCpuSeconds / gigabytes)
    const image = await images.make(size, cell.layers, round)
    await publish(image)
    await claimMemory(size, directory)
    const senderBefore = cpuSeconds(registry.process.pid)
    const receiverBefore = cpuSeconds(agent.process.pid)
    const seconds = await fetchIntoStore(stage, puller, agent, base, image)
    add('shoal MB/s', size / BYTES_PER_MB / seconds)
    add('shoal sender CPU-s/GB', (cpuSeconds(registry.process.pid) - senderBefore) / gigabytes)
    add('shoal receiver CPU-s/GB', (cpuSeconds(agent.process.pid) - receiverBefore) / gigabytes)
    // Memory is dear: the stores lie in it.
    for (const layer of image.layers) await rm(blobFile(agent, layer.digest))
  }
  const figures = Object.fromEntries(Object.entries(samples).map(([name, values]) => [name, percentile(values, 50)]))
  const cpu = (name: string) => (figures[`${name} sender CPU-s/GB`] ?? 0) + (figures[`${name} receiver CPU-s/GB`] ?? 0)
  return {
    ...figures,
    'throughput ratio': (figures['shoal MB/s'] ?? 0) / (figures['bare MB/s'] ?? 0),
    'CPU ratio': cpu('shoal') / cpu('bare')
  }
}

async function fetchIntoStore(
  stage: PointStage,
  puller: Puller,
  agent: ShoalAgent,
  base: string,
  image: BenchImage
): Promise<number> {
  const startedAt = performance.now()
  // Asks for the blob and reads nothing: the agent fetches it whole all the same.
  const asking = puller.pull(base, image, { deadlineMs: stage.deadlineMs, stall: true })
  const whole = image.layers.map((layer) =>
    waitFor(() => hasSize(blobFile(agent, layer.digest), layer.size), {
      deadlineMs: stage.deadlineMs,
      what: `the agent having ${layer.digest} whole`
    })
  )
  await Promise.all([asking, ...whole])
  return (performance.now() - startedAt) / 1000
}

async function hasSize(file: string, size: number): Promise<true | undefined> {
  try {
    return (await stat(file)).size === size ? true : undefined
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
}
