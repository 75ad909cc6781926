import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster, type ClusterNode } from '../harness/cluster.ts'
import { checkContainer } from '../harness/container-check.ts'
import { type BuiltImage, buildImage, LARGE_IMAGE } from '../harness/image.ts'
import { endToEnd } from '../harness/requirements.ts'

/** How much of the image the registry may send, however many nodes pull it. */
const REGISTRY_COPIES_LIMIT = 1.15

describe('an image spreads over the nodes', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage
  let repository: string
  let together: readonly ClusterNode[]
  let late: ClusterNode

  before(async () => {
    image = await buildImage(LARGE_IMAGE)
    cluster = await Cluster.start(['a', 'b', 'c', 'late'])
    together = [cluster.node('a'), cluster.node('b'), cluster.node('c')]
    late = cluster.node('late')
    repository = await cluster.push(image, 'e2e/large')
  })

  after(() => cluster?.close())

  it('to three that pull at the same moment, for little more than one copy from the registry', async () => {
    const reference = `${repository}:${image.tag}`
    const bytesSent = async () => (await cluster.registry.metrics()).sum('shoal_bytes_sent_total')
    const countedBefore = await bytesSent()
    const onLinkBefore = (await cluster.registry.node.linkBytes()).sent

    await Promise.all(together.map((node) => node.containerd.pull(reference)))

    const counted = (await bytesSent()) - countedBefore
    const onLink = (await cluster.registry.node.linkBytes()).sent - onLinkBefore
    for (const node of together) {
      assert.equal(await node.containerd.imageDigest(reference), image.digest)
      await checkContainer(node.containerd, reference, image)
    }
    const limit = image.bytes * REGISTRY_COPIES_LIMIT
    const copies = `the registry counted ${counted} bytes sent and its link ${onLink}, for an image of ${image.bytes}`
    assert.ok(counted >= image.bytes * 0.99, `someone has to have sent it: ${copies}`)
    assert.ok(counted <= limit, copies)
    assert.ok(onLink <= limit, copies)
  })

  it('to one more after the registry was killed', async () => {
    await cluster.registry.kill()
    const reference = `${repository}@${image.digest}`
    await late.containerd.pull(reference)
    assert.equal(await late.containerd.imageDigest(reference), image.digest)
    await checkContainer(late.containerd, reference, image)
    const metrics = await late.agent.metrics()
    assert.ok(metrics.sum('shoal_bytes_received_total', { from: 'peer' }) >= image.bytes * 0.99)
    assert.equal(metrics.sum('shoal_bytes_received_total', { from: 'registry' }), 0)
  })
})
