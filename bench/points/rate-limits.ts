import type { NetworkNode } from '../../test/harness/namespaces.ts'
import type { BenchSite } from '../bench-system.ts'
import { Puller } from '../client/puller.ts'
import { percentile } from '../statistics.ts'
import { buildSite } from '../swarm/site.ts'
import { type MeshFlags, startShoal } from '../systems/shoal-mesh.ts'
import { BYTES_PER_MB, type Figures, type PointStage } from './point.ts'

const CAP_MB = 20
const CAP = `${CAP_MB}MB/s`
/** What a cap lets through at once after a rest, in seconds of it. */
const BURST_SECONDS = 0.25

/** How exactly `--upload-rate` and `--download-rate` are kept: payload over the cap, without what passes at once after a rest. */
export async function measureRateLimits(stage: PointStage): Promise<Figures> {
  const { room } = stage
  const { seed, nodes } = await buildSite(room, 3)
  const [first = seed, second = seed, third = seed] = nodes
  const site = (registry: NetworkNode, agent: NetworkNode): BenchSite => ({
    seed: registry,
    nodes: [agent],
    directory: (name) => room.subdirectory(registry.name, name)
  })
  return {
    'upload ÷ cap': await achieved(stage, site(seed, first), { registry: ['--upload-rate', CAP] }),
    'download ÷ cap': await achieved(stage, site(second, third), { agents: ['--download-rate', CAP] })
  }
}

async function achieved(stage: PointStage, site: BenchSite, flags: MeshFlags): Promise<number> {
  const { cell, images, deadlineMs } = stage
  const { base, publish } = await startShoal(site, flags)
  const [node = site.seed] = site.nodes
  const puller = await Puller.start(node)
  const shares: number[] = []
  for (let round = 0; round < cell.rounds; round++) {
    const image = await images.make(cell.megabytes * BYTES_PER_MB, cell.layers, round)
    await publish(image)
    const { seconds } = await puller.pull(base, image, { deadlineMs })
    shares.push((image.size / BYTES_PER_MB - CAP_MB * BURST_SECONDS) / seconds / CAP_MB)
  }
  return percentile(shares, 50)
}
