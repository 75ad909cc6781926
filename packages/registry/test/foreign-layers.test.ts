import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { it, type TestContext } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import type { ArtifactDetail } from '../src/artifacts/artifact-view.ts'
import { FOREIGN_RETRY_MS } from '../src/foreign/foreign-layers.ts'
import { errorCode, type Harness, json, pushBlob, putManifest, startRegistry } from './harness.ts'

const FOREIGN = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
const WINDOWS = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2113' }
const NAME = 'windows/base'
const layer = randomBytes(500_000)
const digest = digestOf(layer)

/** A web server that has the layer, and what it was asked. */
interface Site {
  readonly url: string
  readonly requests: IncomingMessage[]
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

const whole: Answer = (_, response) => response.end(layer)

async function startSite(t: TestContext, answer: Answer = whole): Promise<Site> {
  const requests: IncomingMessage[] = []
  const server = createServer((request, response) => {
    requests.push(request)
    answer(request, response)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return { url: `http://127.0.0.1:${address.port}/layer`, requests }
}

/** A registry that fetches layers from anywhere. */
async function startProxy(t: TestContext, options: Parameters<typeof startRegistry>[1] = {}): Promise<Harness> {
  return await startRegistry(t, { foreignLayers: 'proxy', foreignAddresses: 'any', ...options })
}

/** Push a Windows image whose base layer is elsewhere, and give the digest of its manifest. */
async function pushWindows(harness: Harness, urls: string[], name = NAME, size = layer.length): Promise<Digest> {
  const content = Buffer.from(JSON.stringify(WINDOWS))
  const config = {
    mediaType: MEDIA_TYPES.dockerConfig,
    digest: await pushBlob(harness, name, content),
    size: content.length
  }
  const layers = [{ mediaType: FOREIGN, digest, size, urls }]
  const mediaType = MEDIA_TYPES.dockerManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, config, layers }))
  assert.equal((await putManifest(harness, name, 'ltsc2022', bytes, mediaType)).status, 201)
  return digestOf(bytes)
}

async function pull({ request }: Harness, name = NAME, init: RequestInit = {}): Promise<Response> {
  return await request(`/v2/${name}/blobs/${digest}`, init)
}

async function assertRefused(harness: Harness, message: string): Promise<void> {
  const response = await pull(harness)
  assert.equal(response.status, 502, message)
  assert.equal(await errorCode(response), 'BLOB_UNKNOWN', message)
  assert.equal(await harness.store.stat(digest), undefined, message)
}

it('takes a Windows image without its foreign layer, and shows what it runs on', async (t) => {
  const harness = await startRegistry(t)
  const site = await startSite(t)
  const image = await pushWindows(harness, [site.url])
  const manifests = [{ mediaType: MEDIA_TYPES.dockerManifest, digest: image, size: 1, platform: WINDOWS }]
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.dockerManifestList, manifests }))
  const put = await putManifest(harness, NAME, 'all', index, MEDIA_TYPES.dockerManifestList)
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('warning'), null)
  const url = `/api/v1/repositories/${NAME}/artifacts/${digestOf(index)}`
  assert.deepEqual((await json<ArtifactDetail>(await harness.request(url))).platforms, [WINDOWS])
  // Nobody said that it may be fetched.
  for (const method of ['GET', 'HEAD']) assert.equal((await pull(harness, NAME, { method })).status, 404, method)
  assert.equal(site.requests.length, 0)
})

it('fetches a foreign layer once, however many ask, and keeps it', async (t) => {
  const harness = await startProxy(t)
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const site = await startSite(t, async (request, response) => {
    await asked
    whole(request, response)
  })
  await pushWindows(harness, [site.url])
  await pushWindows(harness, [site.url], 'windows/other')
  const head = await pull(harness, NAME, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-length'), String(layer.length))
  assert.equal(site.requests.length, 0)
  const range = { headers: { range: 'bytes=1000-1999' } }
  const pulls = [pull(harness), pull(harness), pull(harness, 'windows/other'), pull(harness, NAME, range)]
  const impatient = new AbortController()
  const left = pull(harness, NAME, { signal: impatient.signal }).catch((error: unknown) => error)
  impatient.abort()
  assert.ok((await left) instanceof Error)
  resolve()
  const bodies = await Promise.all(pulls.map(async (each) => Buffer.from(await (await each).arrayBuffer())))
  assert.deepEqual(bodies, [layer, layer, layer, layer.subarray(1000, 2000)])
  assert.equal(site.requests.length, 1)
  assert.equal(site.requests[0]?.headers.authorization, undefined)
  assert.ok(harness.announced.includes(digest))
  assert.deepEqual(Buffer.from(await (await pull(harness)).arrayBuffer()), layer)
  assert.equal(site.requests.length, 1)
  assert.match(await harness.metrics.metrics(), /shoal_foreign_layers_total\{result="fetched"\} 1\n/)
})

it('does not serve what is wrong, and does not ask again at once', async (t) => {
  let now = 1_000_000
  const harness = await startProxy(t, { now: () => now })
  let answer: Answer = (_, response) => response.end(randomBytes(layer.length))
  const site = await startSite(t, (request, response) => answer(request, response))
  await pushWindows(harness, [site.url])
  await assertRefused(harness, 'other bytes')
  await assertRefused(harness, 'at once')
  assert.equal(site.requests.length, 1)
  const wrong: [string, Answer][] = [
    ['too long', (_, response) => response.end(Buffer.concat([layer, Buffer.from('x')]))],
    ['too long, streamed', (_, response) => response.write(layer, () => response.end('more'))],
    ['too short', (_, response) => response.end(layer.subarray(1))],
    ['an error', (_, response) => response.writeHead(500).end(layer)],
    ['missing', (_, response) => response.writeHead(404).end()],
    ['encoded', (_, response) => response.writeHead(200, { 'content-encoding': 'gzip' }).end(layer)],
    ['redirected for ever', (_, response) => response.writeHead(302, { location: '/again' }).end()],
    ['another scheme', (_, response) => response.writeHead(302, { location: 'file:///etc/passwd' }).end()]
  ]
  for (const [message, each] of wrong) {
    now += FOREIGN_RETRY_MS
    answer = each
    await assertRefused(harness, message)
  }
  now += FOREIGN_RETRY_MS
  answer = whole
  assert.deepEqual(Buffer.from(await (await pull(harness)).arrayBuffer()), layer)
})

it('goes to the next URL, follows redirects, and goes on where a body broke', async (t) => {
  const harness = await startProxy(t)
  const broken = await startSite(t, (_, response) => response.destroy())
  const target = await startSite(t, (request, response) => {
    const [, start = '0'] = /^bytes=(\d+)-$/.exec(request.headers.range ?? '') ?? []
    const first = Number(start)
    const headers = { 'content-range': `bytes ${first}-${layer.length - 1}/${layer.length}` }
    response.writeHead(first === 0 ? 200 : 206, first === 0 ? {} : headers)
    if (first > 0) response.end(layer.subarray(first))
    else response.write(layer.subarray(0, 200_000), () => response.destroy())
  })
  const site = await startSite(t, (_, response) => response.writeHead(307, { location: target.url }).end())
  await pushWindows(harness, ['ftp://example.com/layer', broken.url, site.url])
  assert.deepEqual(Buffer.from(await (await pull(harness)).arrayBuffer()), layer)
  const starts = target.requests.map(({ headers }) => headers.range)
  assert.equal(starts[0], undefined)
  assert.match(starts[1] ?? '', /^bytes=[1-9]\d*-$/)
})

it('fetches nothing from private addresses, by any way to write or to reach them', async (t) => {
  let now = 1_000_000
  const harness = await startRegistry(t, { foreignLayers: 'proxy', now: () => now })
  const site = await startSite(t)
  const { port } = new URL(site.url)
  const hosts = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    '2130706433',
    '0x7f.1',
    '0.0.0.0',
    '[::ffff:127.0.0.1]',
    '169.254.1.1'
  ]
  for (const [i, host] of hosts.entries()) {
    now += FOREIGN_RETRY_MS
    const name = `windows/${i}`
    await pushWindows(harness, [`http://${host}:${port}/layer`], name)
    assert.equal((await pull(harness, name)).status, 502, host)
  }
  assert.equal(site.requests.length, 0)
  const reasons = harness.lines
    .filter(({ level }) => level === 'warn')
    .map(({ data }) => String(Reflect.get(data, 'err')))
  assert.equal(reasons.length, hosts.length)
  for (const reason of reasons) assert.match(reason, /^AddressRefusedError: /)
})

it('fetches only what a manifest of the repository names by URL', async (t) => {
  const harness = await startProxy(t)
  const site = await startSite(t)
  await pushWindows(harness, [])
  assert.equal((await pull(harness)).status, 404)
  await pushWindows(harness, [site.url], 'windows/other')
  assert.equal((await pull(harness)).status, 404)
  const credentials = site.url.replace('//', '//user:password@')
  await pushWindows(harness, [credentials], 'windows/third')
  assert.equal((await pull(harness, 'windows/third')).status, 502)
  assert.equal(site.requests.length, 0)
})

it('counts a fetched layer for the quota, and fetches none that does not fit', async (t) => {
  const harness = await startProxy(t, { policies: [{ prefix: 'windows/', quotaBytes: layer.length }] })
  const site = await startSite(t)
  await pushWindows(harness, [site.url])
  const refused = await pull(harness)
  assert.equal(refused.status, 403)
  assert.equal(await errorCode(refused), 'DENIED')
  assert.equal(site.requests.length, 0)
  await pushWindows(harness, [site.url], 'elsewhere/base')
  assert.deepEqual(Buffer.from(await (await pull(harness, 'elsewhere/base')).arrayBuffer()), layer)
})

it('stops in the middle of a fetch', async (t) => {
  const harness = await startProxy(t)
  const { promise: asked, resolve } = Promise.withResolvers<void>()
  const site = await startSite(t, (_, response) => {
    response.write(layer.subarray(0, 1000))
    resolve()
  })
  await pushWindows(harness, [site.url])
  const pulled = pull(harness).then(
    ({ status }) => status,
    () => 'cut'
  )
  await asked
  await harness.registry.stop()
  assert.ok([503, 'cut'].includes(await pulled))
  assert.equal(await harness.store.stat(digest), undefined)
})
