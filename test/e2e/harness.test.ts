import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { Containerd } from '../harness/containerd.ts'
import { waitFor } from '../harness/deadline.ts'
import { DockerRegistry } from '../harness/docker-registry.ts'
import { type BuiltImage, buildImage, pushImage, SMALL_IMAGE } from '../harness/image.ts'
import { Network, type NetworkNode } from '../harness/namespaces.ts'
import { run } from '../harness/process.ts'
import { endToEnd } from '../harness/requirements.ts'
import { RunWorkspace, sweepDeadRuns } from '../harness/run-workspace.ts'

const LINK_MBIT = 80
const SWEEP_DEADLINE_MS = 10_000

// The other tests rest on this: that links are as slow as asked, that counters count, that containerd pulls and runs.
describe('the harness, with a plain registry in place of ours', endToEnd(), () => {
  let workspace: RunWorkspace
  let seed: NetworkNode
  let node: NetworkNode
  let registry: DockerRegistry
  let containerd: Containerd
  let image: BuiltImage

  before(async () => {
    image = await buildImage(SMALL_IMAGE)
    workspace = RunWorkspace.open()
    const network = await Network.create(workspace)
    seed = await network.addNode('seed')
    node = await network.addNode('node')
    registry = await DockerRegistry.start(seed, workspace.subdirectory('registry'))
    await pushImage(image, `${registry.host}/harness/image`, { namespace: seed.namespace })
    const hosts = workspace.subdirectory('hosts', '_default')
    await writeFile(
      path.join(hosts, 'hosts.toml'),
      `[host."http://${registry.host}"]\ncapabilities = ["pull", "resolve"]\n`
    )
    containerd = await Containerd.start(node, workspace.subdirectory('containerd'), path.dirname(hosts))
  })

  after(() => workspace?.close())

  it('holds a link to its rate, and counts what it carried', async () => {
    await seed.shape({ egressMbit: LINK_MBIT })
    const sentBefore = (await seed.linkBytes()).sent
    const [layer] = image.layers.toSorted((a, b) => b.size - a.size)
    assert.ok(layer)
    const url = `http://${registry.host}/v2/harness/image/blobs/${layer.digest}`
    const curl = ['curl', '--silent', '--fail', '--output', '/dev/null', '--write-out', '%{time_total}', url]
    const seconds = Number(await run(curl, { namespace: node.namespace }))
    const mbit = (layer.size * 8) / 1e6 / seconds
    assert.ok(mbit > LINK_MBIT * 0.6 && mbit < LINK_MBIT * 1.3, `${mbit.toFixed(1)} Mbit/s over the shaped link`)
    const sent = (await seed.linkBytes()).sent - sentBefore
    assert.ok(sent > layer.size && sent < layer.size * 1.1, `${sent} bytes sent for a blob of ${layer.size}`)
    await seed.shape({})
  })

  it('pulls with containerd through hosts.toml, and runs a container', async () => {
    const reference = `${registry.host}/harness/image:${image.tag}`
    await containerd.pull(reference)
    assert.equal(await containerd.imageDigest(reference), image.digest)
    for (const file of image.files) {
      const output = await containerd.runContainer(reference, ['/bin/busybox', 'sha256sum', file.path])
      assert.equal(output.split(/\s/)[0], file.sha256, file.path)
    }
  })

  it('closes a part of a run and leaves the rest', async () => {
    const rooms = [workspace.room('part'), workspace.room('part')]
    const nodes = await Promise.all(rooms.map(async (room) => (await Network.create(room)).addNode('n')))
    rooms[0]?.close()
    assert.deepEqual(
      rooms.map((room) => existsSync(room.directory)),
      [false, true]
    )
    const names = await run(['ip', 'netns', 'list'])
    assert.deepEqual(
      [...nodes, seed].map((each) => names.includes(each.namespace)),
      [false, true, true]
    )
    rooms[1]?.close()
  })

  it('sweeps what a killed run left behind', async () => {
    const module = new URL('../harness/run-workspace.ts', import.meta.url).href
    const networks = new URL('../harness/namespaces.ts', import.meta.url).href
    const processes = new URL('../harness/process.ts', import.meta.url).href
    const script = `
      const { RunWorkspace } = await import(${JSON.stringify(module)})
      const { Network } = await import(${JSON.stringify(networks)})
      const { ManagedProcess } = await import(${JSON.stringify(processes)})
      const workspace = RunWorkspace.open()
      const node = await (await Network.create(workspace)).addNode('left')
      const child = await ManagedProcess.spawn(['sleep', '1000'], { namespace: node.namespace })
      const directories = [workspace.directory, workspace.room('part', { inMemory: true }).directory]
      console.log(JSON.stringify({ prefix: workspace.prefix, directories, pid: child.pid }))
      process.kill(process.pid, 'SIGKILL')`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    let output = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
    await once(child, 'close')
    const left = JSON.parse(output) as { prefix: string; directories: string[]; pid: number }
    assert.deepEqual(left.directories.map(existsSync), [true, true], 'the killed run left its directories')
    assert.deepEqual(sweepDeadRuns(), [left.prefix])
    assert.deepEqual(left.directories.map(existsSync), [false, false], 'the directories are gone')
    assert.ok(!(await run(['ip', 'netns', 'list'])).includes(left.prefix), 'the namespaces are gone')
    const gone = { deadlineMs: SWEEP_DEADLINE_MS, what: 'the process left behind ending' }
    await waitFor(() => (existsSync(`/proc/${left.pid}`) ? undefined : true), gone)
  })
})
