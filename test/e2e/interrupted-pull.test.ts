import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster, type ClusterNode } from '../harness/cluster.ts'
import { checkContainer } from '../harness/container-check.ts'
import { waitFor } from '../harness/deadline.ts'
import { type BuiltImage, buildImage, LARGE_IMAGE } from '../harness/image.ts'
import type { ManagedProcess } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'
import { verifiedLayerBytes } from '../harness/stored-blobs.ts'

const MIB = 1024 * 1024
/** The agents are interrupted when they hold so much of the image. */
const INTERRUPTED_AT = 0.3
const UNDER_WAY_DEADLINE_MS = 60_000
const PULL_DEADLINE_MS = 90_000
/** What may come twice: chunks that were on their way when the agent went, and the second copies of the endgame. */
const REPEATED_BYTES_LIMIT = 16 * MIB
/**
 * What may be lost with a process: bytes that its kernel took from three peers whose links are not shaped and that it had not
 * read (tcp_rmem allows tens of MiB a socket), and chunks in memory that were not written.
 */
const UNREAD_BYTES_LIMIT = 64 * MIB

describe('a pull goes on', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage
  let reference: string
  let steady: ClusterNode
  let restarted: ClusterNode
  let killed: ClusterNode
  let heldWhenKilled: number
  let heldWhenRestarted: number

  before(async () => {
    image = await buildImage(LARGE_IMAGE)
    cluster = await Cluster.start(['steady', 'restarted', 'killed'])
    steady = cluster.node('steady')
    restarted = cluster.node('restarted')
    killed = cluster.node('killed')
    reference = `${await cluster.push(image, 'e2e/large')}:${image.tag}`
  })

  after(() => cluster?.close())

  it('while one peer is killed and another is restarted', async () => {
    const pulls = await Promise.all([steady, restarted, killed].map((node) => node.containerd.startPull(reference)))
    const [steadyPull, restartedPull, killedPull] = pulls as [ManagedProcess, ManagedProcess, ManagedProcess]
    heldWhenKilled = await untilUnderWay(killed)
    await killed.agent.kill()
    heldWhenRestarted = await untilUnderWay(restarted)
    const stopped = await restarted.agent.stop()
    assert.deepEqual(
      stopped,
      { code: 0, signal: null },
      `SIGTERM drains; the output ends:\n${restarted.agent.process.tail}`
    )
    await restarted.agent.start()

    await killedPull.waitForExit(PULL_DEADLINE_MS)
    await finishPull(restarted, restartedPull)
    assert.equal((await steadyPull.waitForExit(PULL_DEADLINE_MS)).code, 0, steadyPull.tail)
    await checkContainer(steady.containerd, reference, image)
    await checkContainer(restarted.containerd, reference, image)
  })

  it('without fetching again what was verified on disk before a restart', async () => {
    await checkNothingFetchedTwice(restarted, heldWhenRestarted)
  })

  it('nor what was verified on disk before a SIGKILL', async () => {
    await killed.agent.start()
    await killed.containerd.pull(reference)
    await checkContainer(killed.containerd, reference, image)
    await checkNothingFetchedTwice(killed, heldWhenKilled)
  })

  /** Waits until an agent holds enough of the image, and returns how many bytes that are. */
  async function untilUnderWay(node: ClusterNode): Promise<number> {
    const held = await waitFor(
      async () => {
        const bytes = await verifiedLayerBytes(node.agent, image)
        return bytes >= image.bytes * INTERRUPTED_AT ? bytes : undefined
      },
      { deadlineMs: UNDER_WAY_DEADLINE_MS, what: `${node.network.name} holding ${INTERRUPTED_AT} of the image` }
    )
    assert.ok(held < image.bytes * 0.95, `${node.network.name} was interrupted too late: it held ${held} bytes`)
    return held
  }

  // Without its mirror containerd may give up. Whoever asked it to pull then asks again, as a kubelet does.
  async function finishPull(node: ClusterNode, pull: ManagedProcess): Promise<void> {
    if ((await pull.waitForExit(PULL_DEADLINE_MS)).code !== 0) await node.containerd.pull(reference)
  }

  async function checkNothingFetchedTwice(node: ClusterNode, heldBefore: number): Promise<void> {
    // The counters started anew with the process.
    const received = (await node.agent.metrics()).sum('shoal_bytes_received_total')
    const missing = image.bytes - heldBefore
    const figures = `held ${heldBefore} of ${image.bytes} bytes when it went, received ${received} afterwards`
    assert.ok(received <= missing + REPEATED_BYTES_LIMIT, figures)
    const onLink = (await node.network.linkBytes()).received
    const limit = image.bytes * 1.1 + REPEATED_BYTES_LIMIT + UNREAD_BYTES_LIMIT
    assert.ok(onLink <= limit, `${figures}; ${onLink} over its link in all`)
  }
})
