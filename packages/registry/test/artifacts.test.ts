import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import type { ArtifactDetail, ArtifactView } from '../src/artifacts/artifact-view.ts'
import { basic, type Harness, json, pushBlob, putManifest, startRegistry } from './harness.ts'

const NAME = 'team/app'
const LIST = `/api/v1/repositories/${NAME}/artifacts`

interface Pushed {
  readonly digest: Digest
  readonly mediaType: string
  /** Of the manifest. */
  readonly size: number
}

async function push(harness: Harness, fields: object, reference?: string, name = NAME): Promise<Pushed> {
  const mediaType = 'manifests' in fields ? MEDIA_TYPES.ociIndex : MEDIA_TYPES.ociManifest
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...fields }))
  const digest = digestOf(bytes)
  const response = await putManifest(harness, name, reference ?? digest, bytes, mediaType)
  assert.equal(response.status, 201)
  return { digest, mediaType, size: bytes.length }
}

async function blob(harness: Harness, mediaType: string, content: string, name = NAME) {
  const bytes = Buffer.from(content)
  return { mediaType, digest: await pushBlob(harness, name, bytes), size: bytes.length }
}

async function pushImage(harness: Harness, platform: object, reference?: string, extras: object = {}): Promise<Pushed> {
  const config = await blob(harness, MEDIA_TYPES.ociConfig, JSON.stringify(platform))
  const layers = [await blob(harness, MEDIA_TYPES.ociLayerGzip, 'a layer that all images share')]
  return await push(harness, { config, layers, ...extras }, reference)
}

async function list(harness: Harness, query = ''): Promise<ArtifactView[]> {
  const response = await harness.request(`${LIST}${query}`)
  assert.equal(response.status, 200)
  return (await json<{ artifacts: ArtifactView[] }>(response)).artifacts
}

async function detail(harness: Harness, { digest }: Pushed): Promise<ArtifactDetail> {
  const response = await harness.request(`${LIST}/${digest}`)
  assert.equal(response.status, 200)
  return await json<ArtifactDetail>(response)
}

it('shows an image with platform, size, tags, annotations and times', async (t) => {
  let now = Date.parse('2026-01-02T03:04:05Z')
  const harness = await startRegistry(t, { now: () => now })
  const annotations = { 'org.opencontainers.image.title': 'app' }
  const platform = { os: 'linux', architecture: 'arm', variant: 'v7' }
  const image = await pushImage(harness, { ...platform, rootfs: {} }, 'v2', { annotations })
  await pushImage(harness, { ...platform, rootfs: {} }, 'v1', { annotations })
  const [view, ...others] = await list(harness)
  assert.deepEqual(others, [])
  const config = JSON.stringify({ ...platform, rootfs: {} }).length
  assert.deepEqual(view, {
    digest: image.digest,
    mediaType: MEDIA_TYPES.ociManifest,
    type: 'image',
    platforms: [platform],
    size: image.size + config + 'a layer that all images share'.length,
    tags: ['v1', 'v2'],
    referrers: [],
    annotations,
    pushedAt: '2026-01-02T03:04:05.000Z',
    pulledAt: null
  })
  now += 60_000
  await (await harness.request(`/v2/${NAME}/manifests/v1`)).arrayBuffer()
  assert.equal((await list(harness))[0]?.pulledAt, '2026-01-02T03:05:05.000Z')
})

it('sums an index up: platforms of all, each blob once, the type that they share', async (t) => {
  const harness = await startRegistry(t)
  const windows = { os: 'windows', architecture: 'amd64', 'os.version': '10.0.20348.2113' }
  const linux = { os: 'linux', architecture: 'amd64' }
  const one = await pushImage(harness, linux)
  const two = await pushImage(harness, windows)
  const attestation = { ...(await pushImage(harness, {})), platform: { os: 'unknown', architecture: 'unknown' } }
  const missing = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(Buffer.from('missing')), size: 100 }
  const arm = { os: 'linux', architecture: 'arm64' }
  const inner = await push(harness, { manifests: [{ ...two, platform: windows }] })
  const manifests = [{ ...one, platform: linux }, inner, attestation, { ...missing, platform: arm }]
  const index = await push(harness, { manifests }, 'latest')
  const view = await detail(harness, index)
  assert.equal(view.type, 'image')
  assert.deepEqual(view.platforms, [linux, windows, arm])
  const layer = 'a layer that all images share'.length
  const configs = [linux, windows, {}].map((each) => JSON.stringify(each).length)
  const sizes = [index, one, inner, two, attestation, missing].map(({ size }) => size)
  assert.equal(
    view.size,
    [...sizes, ...configs, layer].reduce((sum, size) => sum + size)
  )
  assert.deepEqual(
    view.parts.map(({ digest, present }) => [digest, present]),
    [
      [one.digest, true],
      [inner.digest, true],
      [attestation.digest, true],
      [missing.digest, false]
    ]
  )
})

it('knows charts, artifacts and what refers to them', async (t) => {
  const harness = await startRegistry(t)
  const image = await pushImage(harness, { os: 'linux', architecture: 'amd64' }, 'app')
  const layers = [await blob(harness, 'application/octet-stream', 'x')]
  const helm = await blob(harness, 'application/vnd.cncf.helm.config.v1+json', '{"name":"app"}')
  const chart = await push(harness, { config: helm, layers }, 'chart')
  const empty = await blob(harness, MEDIA_TYPES.ociEmpty, '{}')
  const artifactType = 'application/spdx+json'
  const sbom = await push(harness, { artifactType, config: empty, layers, subject: image })
  const mixed = await push(harness, { manifests: [image, chart] })
  const typed = await push(harness, { manifests: [image], artifactType: 'application/vnd.example.bundle' })
  const types = new Map((await list(harness)).map(({ digest, type }) => [digest, type]))
  assert.deepEqual(
    [image, chart, sbom, mixed, typed].map(({ digest }) => types.get(digest)),
    ['image', 'helm', artifactType, 'index', 'application/vnd.example.bundle']
  )
  assert.deepEqual((await detail(harness, image)).referrers, [
    { digest: sbom.digest, mediaType: MEDIA_TYPES.ociManifest, size: sbom.size, artifactType }
  ])
  assert.equal((await detail(harness, sbom)).subject, image.digest)
})

it('lists in pages, by number and by bytes, each artifact once', async (t) => {
  const harness = await startRegistry(t)
  const pushed: string[] = []
  for (const [i, length] of [10, 10, 1_500_000, 1_500_000, 10].entries()) {
    const annotations = { text: `${i}`.repeat(length) }
    pushed.push((await push(harness, { manifests: [], annotations })).digest)
  }
  for (const n of [2, 100]) {
    const seen: string[] = []
    let pages = 0
    let path: string | undefined = `${LIST}?n=${n}`
    while (path !== undefined) {
      const response: Response = await harness.request(path)
      const { artifacts } = await json<{ artifacts: ArtifactView[] }>(response)
      assert.ok(artifacts.length > 0 && artifacts.length <= n, `${artifacts.length} artifacts in a page of ${n}`)
      seen.push(...artifacts.map(({ digest }) => digest))
      path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
      pages++
    }
    assert.deepEqual(seen, pushed.toSorted(), `n=${n}`)
    assert.ok(pages >= 2, `${pages} pages for n=${n}`)
  }
  assert.deepEqual(await list(harness, '?n=0'), [])
})

it('lists repositories in order and in pages', async (t) => {
  const harness = await startRegistry(t)
  for (const name of ['b/artifacts', 'a', 'c/d/e', 'b']) await push(harness, { manifests: [] }, 'v1', name)
  const response = await harness.request('/api/v1/repositories?n=3')
  assert.deepEqual(await response.json(), { repositories: [{ name: 'a' }, { name: 'b' }, { name: 'b/artifacts' }] })
  assert.equal(response.headers.get('link'), '</api/v1/repositories?n=3&last=b%2Fartifacts>; rel="next"')
  const rest = await harness.request('/api/v1/repositories?n=3&last=b%2Fartifacts')
  assert.deepEqual(await rest.json(), { repositories: [{ name: 'c/d/e' }] })
  assert.equal(rest.headers.get('link'), null)
  for (const name of ['b/artifacts', 'b%2Fartifacts', 'c/d/e', 'c%2Fd/e']) {
    const artifacts = await harness.request(`/api/v1/repositories/${name}/artifacts`)
    assert.equal(artifacts.status, 200, name)
    assert.equal((await json<{ repository: string }>(artifacts)).repository, decodeURIComponent(name))
  }
})

it('leaves out what was deleted, and what the store has lost', async (t) => {
  const harness = await startRegistry(t)
  const kept = await push(harness, { manifests: [] }, 'kept')
  const lost = await push(harness, { manifests: [], annotations: { a: 'lost' } }, 'lost')
  const gone = await push(harness, { manifests: [], annotations: { a: 'gone' } }, 'gone')
  await harness.store.delete(lost.digest)
  await harness.request(`/v2/${NAME}/manifests/${gone.digest}`, { method: 'DELETE' })
  assert.deepEqual(
    (await list(harness)).map(({ digest }) => digest),
    [kept.digest]
  )
  for (const { digest } of [lost, gone]) assert.equal((await harness.request(`${LIST}/${digest}`)).status, 404)
})

it('sees the platform of an image once its config has come', async (t) => {
  const harness = await startRegistry(t)
  const platform = { os: 'linux', architecture: 'riscv64' }
  const content = Buffer.from(JSON.stringify(platform))
  const config = { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(content), size: content.length }
  const image = await push(harness, { config, layers: [] })
  assert.deepEqual((await detail(harness, image)).platforms, [])
  await pushBlob(harness, NAME, content)
  assert.deepEqual((await detail(harness, image)).platforms, [platform])
})

it('takes any config for what it is, also one that is none', async (t) => {
  const harness = await startRegistry(t)
  for (const content of ['null', '[]', '"text"', 'not JSON', '{"os":1,"architecture":{}}', '']) {
    const config = await blob(harness, MEDIA_TYPES.ociConfig, content)
    const image = await push(harness, { config, layers: [] })
    assert.deepEqual((await detail(harness, image)).platforms, [], content)
  }
})

it('shows artifacts to those who may pull, and to nobody else', async (t) => {
  const paths = ['/api/v1/repositories', LIST, `${LIST}/${digestOf(Buffer.from('x'))}`, '/v2/_catalog']
  for (const [anonymous, status] of [
    ['none', 401],
    ['pull', 200]
  ] as const) {
    const harness = await startRegistry(t, { anonymous })
    for (const path of paths) {
      const response = await harness.request(path)
      assert.equal(response.status === 401 ? 401 : 200, status, `${anonymous}: ${path}`)
      if (status === 401) assert.match(response.headers.get('www-authenticate') ?? '', /realm="shoal"/, path)
      const known = await harness.request(path, { headers: basic() })
      assert.notEqual(known.status, 401, path)
      assert.equal((await harness.request(path, { headers: basic('wrong') })).status, 401, path)
    }
  }
})
