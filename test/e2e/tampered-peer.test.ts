import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster, type ClusterNode } from '../harness/cluster.ts'
import { checkContainer } from '../harness/container-check.ts'
import { type BuiltImage, buildImage, MEDIUM_IMAGE } from '../harness/image.ts'
import { endToEnd } from '../harness/requirements.ts'
import { tamperLayers } from '../harness/stored-blobs.ts'

describe('a peer whose store was tampered with', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage
  let reference: string
  let honest: ClusterNode
  let tampered: ClusterNode
  let puller: ClusterNode

  before(async () => {
    image = await buildImage(MEDIUM_IMAGE)
    cluster = await Cluster.start(['honest', 'tampered', 'puller'])
    honest = cluster.node('honest')
    tampered = cluster.node('tampered')
    puller = cluster.node('puller')
    reference = `${await cluster.push(image, 'e2e/medium')}:${image.tag}`
    await Promise.all([honest.containerd.pull(reference), tampered.containerd.pull(reference)])
    await tampered.agent.stop()
    await tamperLayers(tampered.agent, image)
    await tampered.agent.start()
  })

  after(() => cluster?.close())

  it('does not keep a pull from finishing with the right bytes', async () => {
    await puller.containerd.pull(reference)
    assert.equal(await puller.containerd.imageDigest(reference), image.digest)
    await checkContainer(puller.containerd, reference, image)
  })

  it('is banned for the chunks that it sent', async () => {
    const metrics = await puller.agent.metrics()
    assert.ok(metrics.sum('shoal_chunks_rejected_total') >= 1, 'a chunk was rejected')
    assert.equal(metrics.sum('shoal_peers_banned_total'), 1, 'exactly the one peer is banned')
    const { peerId } = await tampered.agent.status()
    const { peers } = await puller.agent.status()
    assert.ok(!peers.some((peer) => peer.peerId === peerId), 'the banned peer is no peer any more')
    const honestPeerId = (await honest.agent.status()).peerId
    assert.ok(
      peers.some((peer) => peer.peerId === honestPeerId),
      'the honest peer still is one'
    )
  })
})
