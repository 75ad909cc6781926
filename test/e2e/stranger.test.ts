import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Cluster, type ClusterNode } from '../harness/cluster.ts'
import { type BuiltImage, buildImage, SMALL_IMAGE } from '../harness/image.ts'
import { tryRun } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'

const STRANGER = fileURLToPath(new URL('../harness/stranger.ts', import.meta.url))
const MESH_PORT = 5001
const DEADLINE_MS = 60_000
const HELLO = 1
/** A hello with a certificate is all that a peer may say to one whose certificate it has not seen. */
const HELLO_BYTES_AT_MOST = 1_000
const ATTEMPTS = 3

describe('a stranger that speaks the protocol', endToEnd(), () => {
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

  for (const holder of ['agent', 'registry'] as const) {
    it(`gets no chunk from the ${holder} without a membership certificate`, async () => {
      const server = holder === 'agent' ? member.agent : cluster.registry
      const { peerId } = await server.status()
      const sent = async () => (await server.metrics()).sum('shoal_bytes_sent_total', { to: 'peer' })
      const sentBefore = await sent()
      const layer = image.layers[0]
      assert.ok(layer)
      const node = await cluster.addNetworkNode(`outside-${holder}`)
      const address = `/ip4/${server.node.ipv4}/tcp/${MESH_PORT}/p2p/${peerId}`
      const command = [process.execPath, STRANGER, address, layer.digest]
      const result = await tryRun(command, { namespace: node.namespace, deadlineMs: DEADLINE_MS })
      assert.equal(result.code, 0, result.output)
      const answers = result.output
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
      assert.equal(answers.length, ATTEMPTS, result.output)
      for (const { name, types, bytes } of answers) {
        assert.ok(
          types.every((type: number) => type === HELLO),
          `with ${name} it was sent frames ${types}`
        )
        assert.ok(bytes <= HELLO_BYTES_AT_MOST, `with ${name} it was sent ${bytes} bytes`)
      }
      assert.equal(await sent(), sentBefore)
    })
  }
})
