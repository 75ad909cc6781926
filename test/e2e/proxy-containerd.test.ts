import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster } from '../harness/cluster.ts'
import { checkContainer } from '../harness/container-check.ts'
import { type BuiltImage, buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { endToEnd } from '../harness/requirements.ts'

describe('containerd pulls an image of Docker Hub by its own name', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage

  before(async () => {
    image = await buildImage(SMALL_IMAGE)
    cluster = await Cluster.start(['a', 'b'], { upstream: 'docker.io' })
    await cluster.pushUpstream(image, 'library/e2e')
  })

  after(() => cluster?.close())

  it('through its agent, on two nodes at once, for one copy from the upstream', async () => {
    const reference = `docker.io/library/e2e:${image.tag}`
    await Promise.all(cluster.nodes.map((node) => node.containerd.pull(reference)))
    for (const node of cluster.nodes) {
      assert.equal(await node.containerd.imageDigest(reference), image.digest)
      await checkContainer(node.containerd, reference, image)
    }
    const metrics = await cluster.registry.metrics()
    assert.equal(metrics.sum('shoal_upstream_bytes_total'), image.bytes)
    assert.equal(metrics.sum('shoal_upstream_fills_total', { result: 'filled' }), image.layers.length + 1)
  })
})
