import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Cluster, type ClusterNode } from '../harness/cluster.ts'
import { httpGet } from '../harness/http.ts'
import { type BuiltImage, buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { tryRun } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'
import { MIRROR_URL, ShoalAgent, shoalCommand } from '../harness/shoal.ts'

const EXIT_BAD_CONFIGURATION = 2
const SECRET_BYTES = 24
const REFUSED_DEADLINE_MS = 30_000
const NO_TOKEN_DEADLINE_MS = 20_000

describe('without a join token', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage
  let member: ClusterNode

  before(async () => {
    image = await buildImage(SMALL_IMAGE)
    cluster = await Cluster.start(['member'])
    member = cluster.node('member')
    await member.containerd.pull(`${await cluster.push(image, 'e2e/small')}:${image.tag}`)
  })

  after(() => cluster?.close())

  it('an agent does not start, and names the key that is missing', async () => {
    const node = await cluster.addNetworkNode('tokenless')
    const data = cluster.subdirectory('tokenless')
    const command = shoalCommand('agent', '--data', data, '--registry', cluster.registry.url)
    const result = await tryRun(command, { namespace: node.namespace, deadlineMs: NO_TOKEN_DEADLINE_MS })
    assert.equal(result.code, EXIT_BAD_CONFIGURATION, result.output)
    assert.match(result.output, /join-token/)
    assert.equal(result.output.trim().split('\n').length, 1, `one line: ${result.output}`)
  })

  it('or with a wrong one, no peer sends it a chunk', async () => {
    const node = await cluster.addNetworkNode('refused')
    const directory = cluster.subdirectory('refused')
    // The right registry, but a secret of its own.
    const [prefix, registryId] = (await readFile(cluster.registry.joinTokenFile, 'utf8')).trim().split('.')
    const joinTokenFile = path.join(directory, 'wrong-token')
    await writeFile(joinTokenFile, `${prefix}.${registryId}.${randomBytes(SECRET_BYTES).toString('base64url')}\n`)
    const sentBefore = await sentToPeers()
    assert.ok(sentBefore > 0, 'the member was served by the mesh')
    const agent = new ShoalAgent(node, directory, { registryUrl: cluster.registry.url, joinTokenFile })
    const started = await agent.launch()
    await started.waitForOutput(/the registry refused this node/, REFUSED_DEADLINE_MS)
    assert.equal((await agent.status()).admitted, false)

    // Its mirror may fetch over HTTP what the registry shows to anyone; the mesh gives it nothing.
    for (const layer of image.layers) {
      await httpGet(node.namespace, `${MIRROR_URL}/v2/e2e/small/blobs/${layer.digest}`, ['--output', '/dev/null'])
    }
    assert.equal((await agent.metrics()).sum('shoal_bytes_received_total', { from: 'peer' }), 0)
    assert.equal(await sentToPeers(), sentBefore, 'bytes sent to peers')
    await agent.stop()
  })

  async function sentToPeers(): Promise<number> {
    const pages = await Promise.all([cluster.registry.metrics(), member.agent.metrics()])
    return pages.reduce((sum, metrics) => sum + metrics.sum('shoal_bytes_sent_total', { to: 'peer' }), 0)
  }
})
