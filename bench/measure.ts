import path from 'node:path'
import { Network, type NetworkNode } from '../test/harness/namespaces.ts'
import { run } from '../test/harness/process.ts'
import { writeRandomFile } from '../test/harness/random-bytes.ts'
import type { RunWorkspace } from '../test/harness/run-workspace.ts'
import type { BenchBlob, BenchSite, BenchSystem, RunningSystem } from './bench-system.ts'
import { cpuSeconds } from './cpu-time.ts'
import type { BenchOptions } from './options.ts'

/** Both directions of every node's link. */
export const NODE_LINK_MBIT = 1000
const FETCH_DEADLINE_MS = 30 * 60_000

/** One blob fetched by all nodes at once. */
export interface Round {
  /** How long each node took, in seconds. */
  readonly seconds: readonly number[]
  /** Bytes over the seed's link, headers included. */
  readonly seedBytes: number
  /** Processor time of all the system's processes. */
  readonly cpuSeconds: number
}

/** Runs a system on a network of its own and measures its rounds. @throws Error when a node gets anything but the blob */
export async function measure(system: BenchSystem, options: BenchOptions, workspace: RunWorkspace): Promise<Round[]> {
  const site = await buildSite(system.name, options, workspace)
  const running = await system.start(site)
  const rounds: Round[] = []
  for (let round = 0; round < options.rounds; round++) {
    const blob = await makeBlob(site, round, options.sizeBytes)
    await running.publish(blob)
    rounds.push(await measureRound(site, running, blob))
    await checkContent(site, running, blob)
  }
  return rounds
}

async function buildSite(name: string, options: BenchOptions, workspace: RunWorkspace): Promise<BenchSite> {
  const network = await Network.create(workspace, name)
  const seed = await network.addNode('seed')
  await seed.shape({ egressMbit: options.rateMbit, ingressMbit: options.rateMbit })
  const nodes: NetworkNode[] = []
  for (let number = 1; number <= options.nodes; number++) {
    const node = await network.addNode(`n${number}`)
    await node.shape({ egressMbit: NODE_LINK_MBIT, ingressMbit: NODE_LINK_MBIT })
    nodes.push(node)
  }
  return { seed, nodes, directory: (directory) => workspace.subdirectory(name, directory) }
}

async function makeBlob(site: BenchSite, round: number, size: number): Promise<BenchBlob> {
  const file = path.join(site.directory('blobs'), `round-${round}`)
  return { file, digest: `sha256:${await writeRandomFile(file, `bench round ${round}`, size)}`, size }
}

async function measureRound(site: BenchSite, running: RunningSystem, blob: BenchBlob): Promise<Round> {
  const cpuBefore = cpuSeconds(running.pids)
  const sentBefore = (await site.seed.linkBytes()).sent
  const seconds = await Promise.all(site.nodes.map((node) => fetchBlob(node, running.blobUrl(node, blob), blob)))
  const seedBytes = (await site.seed.linkBytes()).sent - sentBefore
  return { seconds, seedBytes, cpuSeconds: cpuSeconds(running.pids) - cpuBefore }
}

async function fetchBlob(node: NetworkNode, url: string, blob: BenchBlob): Promise<number> {
  const format = '%{http_code} %{size_download} %{time_total}'
  const curl = ['curl', '--silent', '--show-error', '--output', '/dev/null', '--write-out', format, url]
  const output = await run(curl, { namespace: node.namespace, deadlineMs: FETCH_DEADLINE_MS })
  const [status, size, seconds] = output.split(' ').map(Number)
  if (status !== 200 || size !== blob.size || seconds === undefined) {
    throw new Error(`${node.name} got status ${status} and ${size} bytes of ${blob.size}`)
  }
  return seconds
}

// One node, after the clock has stopped: fast is worth nothing when the bytes are wrong.
async function checkContent(site: BenchSite, running: RunningSystem, blob: BenchBlob): Promise<void> {
  const node = site.nodes.at(-1) ?? site.seed
  const fetchAndHash = 'curl --silent "$1" | sha256sum'
  const output = await run(['sh', '-c', fetchAndHash, 'sh', running.blobUrl(node, blob)], {
    namespace: node.namespace,
    deadlineMs: FETCH_DEADLINE_MS
  })
  const digest = `sha256:${output.split(' ')[0]}`
  if (digest !== blob.digest) throw new Error(`${node.name} got ${digest} instead of ${blob.digest}`)
}
