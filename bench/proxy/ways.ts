import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { FaultProxy } from '../../test/harness/fault-proxy.ts'
import { pullImage, startPlainRegistry, type UpstreamImage } from '../../test/harness/upstream-site.ts'
import type { ProxyBenchSite } from './site.ts'

/** Nodes that pull at the same moment. */
export const MANY = 8
const NS = 'docker.io'
const WARM_UPS = 2
const WARM_UP_BYTES = 6 * 1024 * 1024

/** A way for nodes to get an image of an upstream. */
export interface Way {
  readonly name: string
  readonly nodes: number
  /** Pull an image that nothing on the way has yet, on all nodes at once. */
  pull(site: ProxyBenchSite, image: UpstreamImage): Promise<void>
}

/** One measured pull. */
export interface Sample {
  readonly way: string
  readonly seconds: number
  /** Bytes from the upstream, as a multiple of the image. */
  readonly upstreamCopies: number
  /** Requests for blobs with content, for each blob of the image. */
  readonly requestsPerBlob: number
}

/** All ways that are compared; the first is what the others are measured against. */
export const WAYS: readonly Way[] = [
  { name: 'plain', nodes: 1, pull: async (site, image) => await pullImage(site.upstream.url, image) },
  { name: 'shoal, 1 agent', nodes: 1, pull: async (site, image) => await pullMirrors(site, image, 1) },
  { name: `shoal, ${MANY} agents`, nodes: MANY, pull: async (site, image) => await pullMirrors(site, image, MANY) },
  { name: 'docker-registry, 1 node', nodes: 1, pull: async (site, image) => await pullPlainProxy(site, image, 1) },
  {
    name: `docker-registry, ${MANY} nodes`,
    nodes: MANY,
    pull: async (site, image) => await pullPlainProxy(site, image, MANY)
  }
]

/** Measures one way with an image of its own. */
export async function measureWay(site: ProxyBenchSite, way: Way, layers: readonly number[]): Promise<Sample> {
  const image = await site.push(`library/bench-${measured++}`, layers)
  const proxy = site.upstream
  proxy.reset()
  const began = performance.now()
  // What starts a proxy of its own says when it is ready: that is no part of the pull.
  const before = startedMs
  await way.pull(site, image)
  const seconds = (performance.now() - began - (startedMs - before)) / 1000
  return { way: way.name, seconds, upstreamCopies: proxy.bytes / image.bytes, requestsPerBlob: perBlob(proxy, image) }
}

/** Pulls something on all nodes, so that no way is measured on processes that have just started. */
export async function warmUp(site: ProxyBenchSite): Promise<void> {
  for (let time = 0; time < WARM_UPS; time++) {
    await pullMirrors(site, await site.push(`library/warm-${time}`, [WARM_UP_BYTES, WARM_UP_BYTES]), MANY)
  }
}

let measured = 0
let startedMs = 0

async function pullMirrors(site: ProxyBenchSite, image: UpstreamImage, nodes: number): Promise<void> {
  await Promise.all(site.mirrors.slice(0, nodes).map((mirror) => pullImage(mirror, image, NS)))
}

/** Through docker-registry as a pull-through cache: each time a new one, which has nothing yet. */
async function pullPlainProxy(site: ProxyBenchSite, image: UpstreamImage, nodes: number): Promise<void> {
  const began = performance.now()
  const directory = await mkdtemp(path.join(tmpdir(), 'shoal-bench-'))
  const { process, url } = await startPlainRegistry(directory, site.upstream.url)
  startedMs += performance.now() - began
  try {
    await Promise.all(Array.from({ length: nodes }, () => pullImage(url, image)))
  } finally {
    const ended = performance.now()
    await process.stop()
    await rm(directory, { recursive: true, force: true })
    startedMs += performance.now() - ended
  }
}

function perBlob(proxy: FaultProxy, image: UpstreamImage): number {
  const requests = [...proxy.blobRequests().values()].reduce((sum, count) => sum + count, 0)
  return requests / image.blobs.length
}
