import { run } from '../../test/harness/process.ts'
import type { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { Puller } from '../client/puller.ts'
import { coreCount, machineBusySeconds } from '../process-usage.ts'
import { percentile } from '../statistics.ts'
import { Images } from '../swarm/images.ts'
import { buildSite } from '../swarm/site.ts'
import { startShoal } from '../systems/shoal-mesh.ts'
import type { Figures, TruthCell } from './figures.ts'

/** Rounds that do not count: processes that have just started are slow. */
const WARM_UP_ROUNDS = 2
/** How long the queues of the links are, as of those of the bench. */
export const QUEUE_MS = 50
/** The simulator's lines save nothing up while they rest. 256 KiB, which the bench allows, would be 6 % of 4 MB each time. */
const BURST_BYTES = 16 * 1024

/** How one round went. */
export interface RealRound extends Figures {
  /** How much of all processors was in use while it lasted: where there was little left, it says nothing about the network. */
  readonly busyShare: number
}

/**
 * Pulls an image of one layer with all nodes in network namespaces, again and again, each time another. As in the simulator a
 * pull begins when the layer is known. An agent that has given out a manifest also tells the DHT of it 5 to 10 s later, which
 * took each about half a second of a processor, in the middle of the next round.
 */
export async function* pullForReal(
  cell: TruthCell,
  workspace: RunWorkspace,
  options: { readonly deadlineMs: number }
): AsyncGenerator<RealRound> {
  const room = workspace.room('truth', { inMemory: true })
  try {
    const site = await buildSite(room, cell.nodes)
    // From the beginning: what a connection has learnt of a faster line would fill the queues of this one.
    const shape = (mbit: number) => ({
      egressMbit: mbit,
      ingressMbit: mbit,
      queueMs: QUEUE_MS,
      burstBytes: BURST_BYTES
    })
    await site.seed.shape(shape(cell.registryMbit))
    for (const node of site.nodes) await node.shape(shape(cell.nodeMbit))
    for (const { namespace } of [site.seed, ...site.nodes]) await useReno(namespace)
    const mesh = await startShoal(site)
    const images = new Images(room.subdirectory('images'))
    const pullers = await Promise.all(site.nodes.map((node) => Puller.start(node)))
    const sent = async () => (await mesh.registry.metrics()).sum('shoal_bytes_sent_total')
    for (let round = 0; ; round++) {
      const image = await images.make(cell.bytes, 1, round)
      await mesh.publish(image)
      const sentBefore = await sent()
      const busyBefore = machineBusySeconds()
      const startedAt = performance.now()
      const pulls = pullers.map((puller) => puller.pull(mesh.base, image, { ...options, layersOnly: true }))
      const seconds = (await Promise.all(pulls)).map((figures) => figures.seconds)
      const busyShare = (machineBusySeconds() - busyBefore) / coreCount() / ((performance.now() - startedAt) / 1000)
      const seedCopies = ((await sent()) - sentBefore) / cell.bytes
      if (round >= WARM_UP_ROUNDS)
        yield { p50: percentile(seconds, 50), p99: percentile(seconds, 99), seedCopies, busyShare }
    }
  } finally {
    room.close()
  }
}

/**
 * Has new connections of a namespace share links as the simulator's do. BBR, which machines may have as their default, leaves a
 * connection that begins beside others with little of a slow link for seconds: some rounds then take a quarter longer.
 */
async function useReno(namespace: string): Promise<void> {
  const setting = 'echo reno >/proc/sys/net/ipv4/tcp_congestion_control'
  await run(['ip', 'netns', 'exec', namespace, 'sh', '-c', setting])
}
