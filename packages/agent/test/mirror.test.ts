import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, describe, it } from 'node:test'
import { ContentStore } from '@shoal/content'
import { type Digest, digestOf, MEDIA_TYPES, RegistryClient } from '@shoal/oci'
import { type AgentSwarm, BlobNotFoundError, createTransferMetrics, silentLogger } from '@shoal/swarm'
import { Registry } from 'prom-client'
import { type Agent, BlobNames, createAgent } from '../src/index.ts'

const layer = randomBytes(3_000_000)
const layerDigest = digestOf(layer)
const manifest = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(Buffer.from('{}')), size: 2 },
    layers: [{ mediaType: MEDIA_TYPES.ociLayer, digest: layerDigest, size: layer.length }]
  })
)
const manifestDigest = digestOf(manifest)

/** Stands in for the mesh: it has the blobs given to it. The real one is in the swarm's and the end-to-end tests. */
class FakeMesh {
  readonly blobs = new Map<Digest, Buffer>([
    [layerDigest, layer],
    [manifestDigest, manifest]
  ])
  readonly expected: Digest[][] = []
  readonly provided: Digest[] = []
  readonly prefetched: Digest[] = []
  fetches = 0
  /** Fetches wait for it. */
  gate: Promise<void> = Promise.resolve()
  readonly #store: ContentStore

  constructor(store: ContentStore) {
    this.#store = store
  }

  asSwarm(): AgentSwarm {
    const mesh = this
    return {
      peerId: 'self',
      addresses: [],
      peers: [],
      banned: 0,
      zoneTotals: { received: { same: 0, other: 0 }, sent: { same: 0, other: 0 } },
      membership: { state: 'admitted' },
      registryLinked: true,
      transfers: [],
      downloadLimiter: { take: () => Promise.resolve() },
      start: () => Promise.resolve(),
      stop: () => Promise.resolve(),
      prefetch: (digest) => void mesh.prefetched.push(digest),
      completion: () => Promise.resolve(),
      expect: (_image, blobs) => void mesh.expected.push([...blobs]),
      provideImage: (image) => void mesh.provided.push(image),
      async fetch(digest, options) {
        mesh.fetches++
        await mesh.gate
        options?.signal?.throwIfAborted()
        const bytes = mesh.blobs.get(digest)
        if (bytes === undefined) throw new BlobNotFoundError(digest)
        const ingest = await mesh.#store.ingest({ size: bytes.length })
        await ingest.append(
          (async function* () {
            yield bytes
          })()
        )
        await ingest.finish(digest)
        const source = await mesh.#store.open(digest)
        assert.ok(source)
        return source
      }
    }
  }
}

/** Waits for what goes on after a response was sent. */
async function until(condition: () => boolean): Promise<void> {
  const deadline = AbortSignal.timeout(5_000)
  while (!condition()) {
    deadline.throwIfAborted()
    await new Promise((resolve) => setImmediate(resolve))
  }
}

describe('the mirror', () => {
  let directory: string
  let registry: Server
  let tag: Digest | undefined
  let tagRequests: number
  let busy: boolean
  let store: ContentStore
  let mesh: FakeMesh
  let names: BlobNames
  let metrics: Registry
  let client: RegistryClient
  let agent: Agent
  let now: number
  let base: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-mirror-'))
    registry = createServer((request, response) => {
      if (request.url?.includes('/manifests/') !== true) {
        response.writeHead(404).end()
        return
      }
      tagRequests++
      if (busy) response.writeHead(429).end()
      else if (tag === undefined) response.writeHead(404).end()
      else {
        const headers = { 'docker-content-digest': tag, 'content-type': MEDIA_TYPES.ociManifest }
        response.writeHead(200, { ...headers, 'content-length': manifest.length }).end()
      }
    })
  })
  after(() => rm(directory, { recursive: true }))

  beforeEach(async () => {
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve))
    const url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`
    const own = await mkdtemp(join(directory, 'node-'))
    tag = manifestDigest
    tagRequests = 0
    busy = false
    now = 1_000_000
    metrics = new Registry()
    store = await ContentStore.open({ directory: join(own, 'content') })
    mesh = new FakeMesh(store)
    names = new BlobNames()
    client = new RegistryClient({ url, attempts: 1 })
    agent = await createAgent({
      store,
      swarm: mesh.asSwarm(),
      client,
      names,
      registryNames: [client.host, 'registry.example'],
      tagsDirectory: join(own, 'tags'),
      listen: { host: '127.0.0.1', port: 0 },
      logger: silentLogger,
      metrics,
      transfer: createTransferMetrics(metrics),
      now: () => now
    })
    await agent.start()
    base = `http://127.0.0.1:${agent.address.port}`
  })

  afterEach(async () => {
    await agent.stop()
    await client.close()
    await store.close()
    await stopRegistry()
  })

  async function stopRegistry(): Promise<void> {
    registry.closeAllConnections()
    await new Promise((resolve) => registry.close(resolve))
  }

  async function requests(result: string): Promise<number> {
    const metric = await metrics.getSingleMetric('shoal_blob_requests_total')?.get()
    return metric?.values.find(({ labels }) => labels.result === result)?.value ?? 0
  }

  const blobUrl = (digest: string, query = '') => `${base}/v2/team/app/blobs/${digest}${query}`
  const manifestUrl = (reference: string, query = '') => `${base}/v2/team/app/manifests/${reference}${query}`

  it('says that it is a registry', async () => {
    assert.equal((await fetch(`${base}/v2/`)).status, 200)
  })

  it('answers HEAD and GET of a tag with what containerd needs', async () => {
    for (const method of ['HEAD', 'GET']) {
      const response = await fetch(manifestUrl('1'), { method })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('docker-content-digest'), manifestDigest)
      assert.equal(response.headers.get('content-length'), String(manifest.length))
      assert.equal(response.headers.get('content-type'), MEDIA_TYPES.ociManifest)
      assert.equal(response.headers.get('warning'), null)
      const body = Buffer.from(await response.arrayBuffer())
      assert.ok(body.equals(method === 'HEAD' ? Buffer.alloc(0) : manifest))
    }
    assert.equal(tagRequests, 1, 'the registry is asked once for a tag')
    assert.deepEqual(mesh.provided, [manifestDigest])
    assert.ok(mesh.expected[0]?.includes(layerDigest), 'peers are looked for before the layers are asked for')
  })

  it('starts on the blobs of an image that are not here, once its manifest was given out', async () => {
    await fetch(manifestUrl(manifestDigest), { method: 'HEAD' })
    assert.deepEqual(mesh.prefetched, [], 'who asks for the head may not want the rest')
    await (await fetch(manifestUrl(manifestDigest))).arrayBuffer()
    await until(() => mesh.prefetched.length === 2)
    assert.deepEqual(mesh.prefetched, [digestOf(Buffer.from('{}')), layerDigest])
    assert.deepEqual(names.get(layerDigest), { repository: 'team/app', kind: 'blob' })
    await (await fetch(blobUrl(layerDigest))).arrayBuffer()
    mesh.prefetched.length = 0
    await (await fetch(manifestUrl(manifestDigest))).arrayBuffer()
    await until(() => mesh.prefetched.length === 1)
    assert.deepEqual(mesh.prefetched, [digestOf(Buffer.from('{}'))])
  })

  it('answers HEAD of a blob without waiting for a registry that is down', async () => {
    await stopRegistry()
    const response = await fetch(blobUrl(layerDigest), { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), String(layer.length))
    assert.equal((await fetch(blobUrl(digestOf(Buffer.from('missing'))), { method: 'HEAD' })).status, 404)
  })

  it('asks again for a tag after a while, and serves what it stands for then', async () => {
    await fetch(manifestUrl('1'))
    now += 60_000
    tag = undefined
    assert.equal((await fetch(manifestUrl('1'))).status, 404)
    assert.equal(tagRequests, 2)
  })

  it('serves the last known digest, with a warning, when the registry is gone', async () => {
    await fetch(manifestUrl('1'))
    await stopRegistry()
    now += 60_000
    const response = await fetch(manifestUrl('1'))
    assert.equal(response.status, 200)
    assert.match(response.headers.get('warning') ?? '', /^110 /)
    assert.equal((await fetch(manifestUrl('unheard-of'))).status, 404)
    now += 25 * 3_600_000
    assert.equal((await fetch(manifestUrl('1'))).status, 404)
  })

  it('never passes on that the registry has too much to do', async () => {
    await fetch(manifestUrl('1'))
    busy = true
    now += 60_000
    const response = await fetch(manifestUrl('1'))
    assert.equal(response.status, 200)
    assert.match(response.headers.get('warning') ?? '', /^110 /)
    assert.notEqual((await fetch(manifestUrl('unheard-of'))).status, 429)
  })

  it('serves a manifest by digest without asking the registry', async () => {
    await stopRegistry()
    const response = await fetch(manifestUrl(manifestDigest))
    assert.ok(Buffer.from(await response.arrayBuffer()).equals(manifest))
  })

  it('serves a blob, first from the mesh, then from the store', async () => {
    for (let i = 0; i < 2; i++) {
      const response = await fetch(blobUrl(layerDigest))
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('content-length'), String(layer.length))
      assert.equal(response.headers.get('accept-ranges'), 'bytes')
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(layer))
    }
    assert.equal(mesh.fetches, 1)
    assert.equal(await requests('fetched'), 1)
    assert.equal(await requests('hit'), 1)
  })

  it('serves ranges of all forms', async () => {
    const end = layer.length
    const cases: [string, number, number][] = [
      ['bytes=0-0', 0, 1],
      ['bytes=1000-1999', 1000, 2000],
      [`bytes=${end - 5}-`, end - 5, end],
      ['bytes=-7', end - 7, end]
    ]
    for (const [range, start, stop] of cases) {
      const response = await fetch(blobUrl(layerDigest), { headers: { range } })
      assert.equal(response.status, 206, range)
      assert.equal(response.headers.get('content-range'), `bytes ${start}-${stop - 1}/${end}`)
      assert.ok(Buffer.from(await response.arrayBuffer()).equals(layer.subarray(start, stop)), range)
    }
    const beyond = await fetch(blobUrl(layerDigest), { headers: { range: `bytes=${end}-` } })
    assert.equal(beyond.status, 416)
    assert.equal(beyond.headers.get('content-range'), `bytes */${end}`)
  })

  it('answers HEAD of a blob that is here', async () => {
    await (await fetch(blobUrl(layerDigest))).arrayBuffer()
    const response = await fetch(blobUrl(layerDigest), { method: 'HEAD' })
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-length'), String(layer.length))
  })

  it('answers 404 with an OCI error for what nobody has', async () => {
    const missing = digestOf(Buffer.from('missing'))
    const response = await fetch(blobUrl(missing))
    assert.equal(response.status, 404)
    const body = (await response.json()) as { errors: { code: string }[] }
    assert.equal(body.errors[0]?.code, 'BLOB_UNKNOWN')
    assert.equal((await fetch(blobUrl(missing), { method: 'HEAD' })).status, 404)
    assert.equal((await fetch(manifestUrl(missing))).status, 404)
    assert.equal(await requests('missing'), 1)
  })

  it('refuses what is no digest, no name or no path of a pull', async () => {
    assert.equal((await fetch(blobUrl('sha256:1'))).status, 400)
    assert.equal((await fetch(`${base}/v2/Team/blobs/${layerDigest}`)).status, 400)
    assert.equal((await fetch(`${base}/v2/%E0%A4%A/manifests/1`)).status, 400)
    assert.equal((await fetch(`${base}/v2/team/app/tags/list`)).status, 404)
    assert.equal((await fetch(`${base}/v2/team/app/blobs/uploads/`, { method: 'POST' })).status, 404)
  })

  it('knows its registry by ?ns= and by a prefix, and sends others on', async () => {
    const ns = await fetch(blobUrl(layerDigest, '?ns=registry.example'))
    assert.equal(ns.status, 200)
    assert.equal(ns.headers.get('oci-namespace'), 'registry.example')
    await ns.arrayBuffer()
    const prefixed = await fetch(`${base}/v2/${client.host}/team/app/blobs/${layerDigest}`)
    assert.equal(prefixed.status, 200)
    await prefixed.arrayBuffer()
    assert.equal((await fetch(manifestUrl('1', '?ns=docker.io'))).status, 404)
    assert.equal((await fetch(manifestUrl('1', '?ns=a&ns=b'))).status, 400)
  })

  it('outlives a client that goes away', async () => {
    const gate = Promise.withResolvers<void>()
    mesh.gate = gate.promise
    const controller = new AbortController()
    const leaving = fetch(blobUrl(layerDigest), { signal: controller.signal })
    const staying = fetch(blobUrl(layerDigest))
    controller.abort()
    await assert.rejects(leaving)
    gate.resolve()
    assert.ok(Buffer.from(await (await staying).arrayBuffer()).equals(layer))
    assert.equal(await requests('failed'), 0)
  })

  it('lets a pull end that is under way when it stops, and takes no other', async () => {
    const gate = Promise.withResolvers<void>()
    mesh.gate = gate.promise
    const pulled = fetch(blobUrl(layerDigest))
    await until(() => mesh.fetches === 1)
    const stopped = agent.stop()
    await assert.rejects(fetch(blobUrl(manifestDigest)))
    gate.resolve()
    assert.ok(Buffer.from(await (await pulled).arrayBuffer()).equals(layer))
    await stopped
  })
})
