import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { type BuiltImage, buildImage, MEDIUM_IMAGE, pushImage } from '../harness/image.ts'
import { Network, type NetworkLink } from '../harness/namespaces.ts'
import { run } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'
import { RunWorkspace } from '../harness/run-workspace.ts'
import { ShoalAgent, ShoalRegistry, shoalCommand } from '../harness/shoal.ts'

/** Bytes over the thin link against those of the image, headers and acknowledgements and all. */
const CROSSING_COPIES_LIMIT = 1.2
const THIN_LINK_MBIT = 100
const AGENTS_PER_ZONE = 3

interface Zone {
  readonly name: string
  readonly network: Network
  agents: ShoalAgent[]
}

describe('two zones with a thin link between them', endToEnd(), () => {
  let workspace: RunWorkspace
  let image: BuiltImage
  let registry: ShoalRegistry
  let thin: NetworkLink
  let near: Zone
  let far: Zone

  before(async () => {
    image = await buildImage(MEDIUM_IMAGE)
    workspace = RunWorkspace.open()
    const network = await Network.create(workspace, 'near')
    const joined = await Network.join(workspace, 'far', network)
    thin = joined.link
    await thin.shape({ egressMbit: THIN_LINK_MBIT, ingressMbit: THIN_LINK_MBIT })
    near = { name: 'near', network, agents: [] }
    far = { name: 'far', network: joined.network, agents: [] }
    const node = await network.addNode('registry')
    registry = new ShoalRegistry(node, workspace.subdirectory('registry'), ['--zone', 'near'])
    await registry.start()
    for (const zone of [near, far]) zone.agents = await startAgents(zone)
    const credentials = await registry.credentials()
    await pushImage(image, `${registry.host}/e2e/zones`, { namespace: node.namespace, credentials })
  })

  after(() => workspace?.close())

  async function startAgents({ name, network }: Zone): Promise<ShoalAgent[]> {
    return await Promise.all(
      Array.from({ length: AGENTS_PER_ZONE }, async (_, i) => {
        const node = await network.addNode(`${name}${i}`)
        const agent = new ShoalAgent(node, workspace.subdirectory(node.name), {
          registryUrl: registry.url,
          joinTokenFile: registry.joinTokenFile,
          args: ['--zone', name]
        })
        await agent.start()
        return agent
      })
    )
  }

  async function pull({ node }: ShoalAgent): Promise<void> {
    const output = workspace.subdirectory('pulled', node.name)
    const command = shoalCommand('pull', `${registry.host}/e2e/zones:${image.tag}`, '--output', output)
    await run(command, { namespace: node.namespace, name: `shoal pull on ${node.name}` })
  }

  it('bring an image over it about once, though all nodes pull it at the same moment', async (t) => {
    const before = (await thin.linkBytes()).received
    const begun = performance.now()
    await Promise.all([...near.agents, ...far.agents].map(pull))
    const seconds = (performance.now() - begun) / 1000
    const crossed = (await thin.linkBytes()).received - before
    const metrics = await Promise.all([registry, ...near.agents, ...far.agents].map((server) => server.metrics()))
    const counted = metrics.map((one) => one.sum('shoal_zone_bytes_sent_total', { zone: 'other' }))
    const copies = crossed / image.bytes
    const told = `${copies.toFixed(3)} copies crossed in ${seconds.toFixed(1)} s; sent to the other zone: ${counted.join(', ')}`
    t.diagnostic(told)
    assert.ok(copies >= 0.99 && copies <= CROSSING_COPIES_LIMIT, told)
    // What the far nodes send back to the near ones takes the other direction of the link.
    const nearest = counted.slice(0, 1 + near.agents.length).reduce((sum, bytes) => sum + bytes, 0)
    assert.ok(nearest >= image.bytes * 0.95 && nearest <= crossed, `the metrics must tell of it: ${told}`)
  })

  it('do not send it over the link again for a node that comes later, after a registry that has forgotten all', async (t) => {
    const before = (await thin.linkBytes()).received
    await registry.kill()
    const node = await far.network.addNode('late')
    const agent = new ShoalAgent(node, workspace.subdirectory('late'), {
      registryUrl: registry.url,
      joinTokenFile: registry.joinTokenFile,
      args: ['--zone', 'far']
    })
    await registry.start()
    await agent.start()
    await pull(agent)
    const crossed = (await thin.linkBytes()).received - before
    t.diagnostic(`${crossed} bytes crossed for one more node`)
    assert.ok(crossed <= image.bytes * 0.1, `${crossed} bytes crossed, of an image of ${image.bytes}`)
  })
})
