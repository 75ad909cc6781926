import type { NetworkNode } from '../../test/harness/namespaces.ts'
import type { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { Puller } from '../client/puller.ts'
import { Images } from '../swarm/images.ts'
import { buildSite } from '../swarm/site.ts'
import { startShoal } from '../systems/shoal-mesh.ts'

const WARM_UP_BYTES = 30e6
/** How long the queues of the links are, as of those of the bench. */
export const QUEUE_MS = 50

/** A network, and an image that all of its nodes pull at once. */
export interface TruthCell {
  readonly nodes: number
  readonly bytes: number
  readonly registryMbit: number
  readonly nodeMbit: number
}

/** How it went. */
export interface TruthRun {
  /** One for each node, from the request of the manifest to the last byte. */
  readonly seconds: readonly number[]
  /** What the registry's process counted as sent, in images. */
  readonly seedCopies: number
}

/** Pulls an image of one layer with all nodes in network namespaces, `rounds` times. The first pull of a mesh is a small one that does not count. */
export async function pullForReal(
  cell: TruthCell,
  workspace: RunWorkspace,
  options: { readonly rounds: number; readonly deadlineMs: number }
): Promise<TruthRun[]> {
  const { deadlineMs } = options
  const room = workspace.room('truth', { inMemory: true })
  try {
    const site = await buildSite(room, cell.nodes)
    const shape = (node: NetworkNode, mbit: number) =>
      node.shape({ egressMbit: mbit, ingressMbit: mbit, queueMs: QUEUE_MS })
    await shape(site.seed, cell.registryMbit)
    for (const node of site.nodes) await shape(node, cell.nodeMbit)
    const mesh = await startShoal(site)
    const images = new Images(room.subdirectory('images'))
    const pullers = await Promise.all(site.nodes.map((node) => Puller.start(node)))
    const warmUp = await images.make(WARM_UP_BYTES, 1, 0, 'warm-up')
    await mesh.publish(warmUp)
    await Promise.all(pullers.map((puller) => puller.pull(mesh.base, warmUp, { deadlineMs })))
    const runs: TruthRun[] = []
    for (let round = 0; round < options.rounds; round++) {
      const image = await images.make(cell.bytes, 1, round)
      await mesh.publish(image)
      const sent = async () => (await mesh.registry.metrics()).sum('shoal_bytes_sent_total')
      const before = await sent()
      const figures = await Promise.all(pullers.map((puller) => puller.pull(mesh.base, image, { deadlineMs })))
      const seedCopies = ((await sent()) - before) / cell.bytes
      runs.push({ seconds: figures.map(({ seconds }) => seconds), seedCopies })
    }
    return runs
  } finally {
    room.close()
  }
}
