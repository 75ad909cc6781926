import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Cluster } from '../harness/cluster.ts'
import { waitFor } from '../harness/deadline.ts'
import { type BuiltImage, buildImage, MEDIUM_IMAGE } from '../harness/image.ts'
import type { NetworkNode } from '../harness/namespaces.ts'
import { ManagedProcess, run } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'
import { MIRROR_URL, ShoalAgent } from '../harness/shoal.ts'

const PULL_DEADLINE_MS = 60_000
const REPOSITORY = 'e2e/lanes'

/** The largest layer of the image, as an agent's own node asks for it. */
function layerUrl(image: BuiltImage): string {
  const [largest] = [...image.layers].sort((a, b) => b.size - a.size)
  return `${MIRROR_URL}/v2/${REPOSITORY}/blobs/${largest?.digest}`
}

async function fetchLayer(node: NetworkNode, image: BuiltImage): Promise<ManagedProcess> {
  return await ManagedProcess.spawn(
    ['curl', '--silent', '--show-error', '--fail', '--output', '/dev/null', layerUrl(image)],
    {
      namespace: node.namespace
    }
  )
}

describe('chunks between nodes', endToEnd(), () => {
  let cluster: Cluster
  let image: BuiltImage
  let layerBytes: number

  async function startAgent(name: string, args: readonly string[] = []): Promise<ShoalAgent> {
    const node = await cluster.addNetworkNode(name)
    const { registry } = cluster
    const options = { registryUrl: registry.url, joinTokenFile: registry.joinTokenFile, args }
    const agent = new ShoalAgent(node, cluster.subdirectory(name, 'agent'), options)
    await agent.start()
    return agent
  }

  async function sent(agent: { metrics: ShoalAgent['metrics'] }, lane: 'direct' | 'libp2p'): Promise<number> {
    return (await agent.metrics()).sum('shoal_bytes_sent_total', { to: 'peer', lane })
  }

  /** Every lane that can be dialled among these nodes is open. */
  async function untilLanes(agent: ShoalAgent, receiving: number): Promise<void> {
    await waitFor(
      async () => {
        const open = (await agent.metrics()).sum('shoal_direct_lanes', { direction: 'receiving' })
        return open >= receiving ? true : undefined
      },
      { deadlineMs: 20_000, what: `${receiving} direct lanes to ${agent.node.name}` }
    )
  }

  before(async () => {
    image = await buildImage(MEDIUM_IMAGE)
    layerBytes = Math.max(...image.layers.map(({ size }) => size))
    cluster = await Cluster.start([])
    await cluster.push(image, REPOSITORY)
  })

  after(() => cluster?.close())

  it('travel over TLS beside libp2p, and over libp2p from a node that cannot be dialled', async () => {
    const hidden = await startAgent('hidden', ['--lane-listen', 'off'])
    await untilLanes(hidden, 1)
    assert.equal((await (await fetchLayer(hidden.node, image)).waitForExit(PULL_DEADLINE_MS)).code, 0)
    assert.ok((await sent(cluster.registry, 'direct')) >= layerBytes)
    assert.equal(await sent(cluster.registry, 'libp2p'), 0)

    const fromRegistry = await sent(cluster.registry, 'direct')
    const second = await startAgent('second')
    await untilLanes(second, 1)
    assert.equal((await (await fetchLayer(second.node, image)).waitForExit(PULL_DEADLINE_MS)).code, 0)
    assert.ok(
      (await sent(hidden, 'libp2p')) >= layerBytes * 0.9,
      'the second node takes it from the first, over libp2p'
    )
    assert.equal(await sent(hidden, 'direct'), 0)
    assert.ok((await sent(cluster.registry, 'direct')) - fromRegistry < layerBytes * 0.1)
    await hidden.stop()
    await second.stop()
  })

  it('travel unencrypted between nodes that both allow it, and are known by nobody else', async () => {
    const clear = ['--lane-encryption', 'none']
    const first = await startAgent('clear-1', clear)
    assert.equal((await (await fetchLayer(first.node, image)).waitForExit(PULL_DEADLINE_MS)).code, 0)
    const second = await startAgent('clear-2', clear)
    await untilLanes(second, 2)
    assert.equal((await (await fetchLayer(second.node, image)).waitForExit(PULL_DEADLINE_MS)).code, 0)
    assert.ok((await sent(first, 'direct')) >= layerBytes * 0.9)
    await first.stop()
    await second.stop()
  })

  it('come from others when the cable of one is pulled', async () => {
    const [a, b] = [await startAgent('cable-1'), await startAgent('cable-2')]
    for (const { node } of [a, b]) {
      assert.equal((await (await fetchLayer(node, image)).waitForExit(PULL_DEADLINE_MS)).code, 0)
    }
    const reader = await startAgent('reader')
    await untilLanes(reader, 3)
    await reader.node.shape({ ingressMbit: 100 })
    const fetching = await fetchLayer(reader.node, image)
    await waitFor(async () => ((await sent(a, 'direct')) > 0 && (await sent(b, 'direct')) > 0 ? true : undefined), {
      deadlineMs: 20_000,
      what: 'both peers sending'
    })
    // No RST, no FIN: only silence tells that it is gone.
    await run(['ip', '-n', a.node.namespace, 'link', 'set', 'eth0', 'down'])
    assert.equal((await fetching.waitForExit(PULL_DEADLINE_MS)).code, 0, fetching.tail)
    await waitFor(async () => ((await reader.status()).peers.length <= 2 ? true : undefined), {
      deadlineMs: 20_000,
      what: 'the silent peer being dropped'
    })
  })
})
