import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import { ANSWER_TIMEOUT_MS } from '../../src/proxy/upstream.ts'
import { basic, startRegistry } from '../harness.ts'
import { FakeUpstream, send, sendHead } from './fake-upstream.ts'
import { blobPath, bytesOf, layer, layerDigest, startSite, until } from './proxy-site.ts'

interface Told {
  readonly action: string
  readonly kind: string
  readonly repository: string
  readonly digest: Digest
}

describe('a proxied image', () => {
  it('is pulled through by ns, by path and without library/, and is asked for once', async (t) => {
    const { image, proxy, upstream } = await startSite(t)
    for (const path of ['/v2/app/manifests/1?ns=docker.io', '/v2/docker.io/library/app/manifests/1']) {
      const response = await proxy.request(path)
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('oci-namespace'), path.includes('ns=') ? 'docker.io' : null)
      assert.equal(digestOf(await bytesOf(response)), image)
    }
    const all = await Promise.all(Array.from({ length: 8 }, () => proxy.request(blobPath)))
    for (const response of all) assert.deepEqual(await bytesOf(response), layer)
    await until(async () => (await proxy.request(`/v2/docker.io/app/blobs/${layerDigest}`)).status === 200)
    assert.equal(upstream.asked('/blobs/').length, 1)
    assert.equal(upstream.asked('/manifests/').length, 1)
    assert.ok(proxy.announced.includes(layerDigest) && proxy.announced.includes(image))
  })

  it('sends no credentials of clients upstream', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const authorization = `Basic ${Buffer.from('admin:correct horse').toString('base64')}`
    await (await proxy.request(blobPath, { headers: { authorization } })).arrayBuffer()
    assert.ok(upstream.requests.length > 0)
    assert.ok(upstream.requests.every((each) => each.authorization === undefined))
  })

  it('is told of to webhooks, the manifest and the blob', async (t) => {
    const upstream = await FakeUpstream.start(t)
    const image = upstream.image('library/app', '1', [layer])
    const proxy = await startRegistry(t, {
      upstreams: [{ host: 'docker.io', url: upstream.url }],
      webhooks: [{ name: 'nobody', url: 'http://127.0.0.1:9/' }],
      anonymous: 'push'
    })
    await (await proxy.request('/v2/app/manifests/1?ns=docker.io')).text()
    await (await proxy.request(blobPath)).arrayBuffer()
    const told = async () =>
      (await (await proxy.request('/api/v1/events', { headers: basic() })).json()) as { events: Told[] }
    await until(async () => (await told()).events.length === 2)
    const events = (await told()).events.map(({ action, kind, repository, digest }) => [
      action,
      kind,
      repository,
      digest
    ])
    assert.deepEqual(events, [
      ['proxy-fill', 'manifest', 'docker.io/library/app', image],
      ['proxy-fill', 'blob', 'docker.io/library/app', layerDigest]
    ])
  })

  it('keeps the digest of an index, whichever of its images are here', async (t) => {
    const { image, proxy, upstream } = await startSite(t)
    const manifests = [{ mediaType: MEDIA_TYPES.ociManifest, digest: image, size: 3 }]
    const index = upstream.manifest('library/app', 'all', { schemaVersion: 2, manifests }, MEDIA_TYPES.ociIndex)
    const response = await proxy.request('/v2/app/manifests/all?ns=docker.io')
    assert.equal(response.headers.get('docker-content-digest'), index)
    assert.equal(digestOf(await bytesOf(response)), index)
  })

  it('is refused where a pattern says so, and cannot be pushed', async (t) => {
    const { proxy, upstream } = await startSite(t, { allow: ['library/*', 'team/*'], deny: ['team/secret*'] })
    for (const name of ['other/app', 'team/secret-1']) {
      const response = await proxy.request(`/v2/${name}/manifests/1?ns=docker.io`)
      assert.equal(response.status, 404)
      await response.text()
    }
    assert.equal(upstream.requests.length, 0)
    for (const path of [
      '/v2/docker.io/library/app/manifests/2',
      '/v2/docker.io/library/app/manifests/2?ns=elsewhere',
      '/v2/app/manifests/2?ns=docker.io'
    ]) {
      const put = await proxy.request(path, { method: 'PUT', body: '{}' })
      assert.equal(put.status, 403)
      assert.match(await put.text(), /cache of docker.io/)
    }
    const post = await proxy.request('/v2/docker.io/library/app/blobs/uploads/', { method: 'POST' })
    assert.equal(post.status, 403)
  })

  it('puts nothing but tags and digests into what it asks the upstream', async (t) => {
    const { proxy, upstream } = await startSite(t)
    for (const reference of ['a%3Fb=c', 'a%23b', '%2e%2e', 'a%20b']) {
      const response = await proxy.request(`/v2/app/manifests/${reference}?ns=docker.io`)
      assert.equal(response.status, 404, reference)
      await response.text()
    }
    assert.deepEqual(upstream.requests, [])
  })

  it('is not kept from anybody by another repository that does not have its blob', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const gate = Promise.withResolvers<void>()
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/evil/app/blobs/')) return false
      void gate.promise.then(() => response.writeHead(404).end())
      return true
    }
    const evil = proxy.request(`/v2/evil/app/blobs/${layerDigest}?ns=docker.io`)
    await until(() => upstream.asked('/evil/').length === 1)
    const mine = proxy.request(blobPath).then(bytesOf)
    await new Promise((resolve) => setTimeout(resolve, 50))
    gate.resolve()
    assert.deepEqual(await mine, layer)
    assert.equal((await evil).status, 404)
  })

  it('is shared in parts while it arrives, with those who ask for them', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const rest = Promise.withResolvers<void>()
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      sendHead(response, layer, 2_000_000, () => void rest.promise.then(() => response.end(layer.subarray(2_000_000))))
      return true
    }
    const path = `/api/v1/fills/${layerDigest}?repository=docker.io/library/app`
    const begun = (await (await proxy.request(path)).json()) as { size: number; sharing: string }
    assert.equal(begun.size, layer.length)
    const parts: { digest: Digest; size: number }[] = []
    for (let isOver = false; !isOver; ) {
      const response = await proxy.request(`${path}&sharing=${begun.sharing}&after=${parts.length}`)
      const more = (await response.json()) as { parts: typeof parts; over: boolean }
      parts.push(...more.parts)
      isOver = more.over
      rest.resolve()
    }
    let at = 0
    for (const { digest, size } of parts) {
      assert.equal(digest, digestOf(layer.subarray(at, at + size)))
      assert.equal((await proxy.store.stat(digest))?.size, size)
      at += size
    }
    assert.ok(at >= layer.length - 100_000 && at < layer.length)
    // Who comes when it is whole gets it from those who have its parts: the whole would leave the registry once more.
    await until(async () => (await proxy.store.stat(layerDigest)) !== undefined)
    const late = (await (await proxy.request(path)).json()) as { size: number; sharing: string }
    assert.deepEqual(late, { ...late, size: layer.length, sharing: begun.sharing })
    for (const wrong of ['/api/v1/fills/x?repository=docker.io/app', `${path}&after=-1`]) {
      assert.equal((await proxy.request(wrong)).status, 400)
    }
    assert.equal((await proxy.request(`/api/v1/fills/${layerDigest}?repository=app`)).status, 404)
    assert.equal(upstream.asked('/blobs/').length, 1)
  })

  it('is in no parts while one agent alone asks, and in parts once a second one does', async (t) => {
    const { proxy, upstream } = await startSite(t)
    const rest = Promise.withResolvers<void>()
    upstream.fault = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      sendHead(response, layer, 2_000_000, () => void rest.promise.then(() => response.end(layer.subarray(2_000_000))))
      return true
    }
    const path = `/api/v1/fills/${layerDigest}?repository=docker.io/library/app`
    const ask = async (query: string) => (await (await proxy.request(path + query)).json()) as Answer
    interface Answer {
      readonly sharing: string
      readonly alone: boolean
      readonly parts: readonly { readonly size: number }[]
      readonly over: boolean
    }
    const begun = await ask('&asker=one')
    assert.equal(begun.alone, true)
    assert.equal((await ask('&asker=one')).alone, true)
    // Answered when the other one comes, and not only when there are parts.
    const waiting = ask(`&asker=one&sharing=${begun.sharing}&after=0`)
    const second = await ask('&asker=two')
    assert.deepEqual([second.alone, second.sharing], [false, begun.sharing])
    assert.equal((await waiting).alone, false)
    rest.resolve()
    const parts: { readonly size: number }[] = []
    for (let isOver = false; !isOver; ) {
      const more = await ask(`&asker=two&sharing=${begun.sharing}&after=${parts.length}`)
      parts.push(...more.parts)
      isOver = more.over
    }
    assert.ok(parts.reduce((sum, { size }) => sum + size, 0) >= layer.length - 100_000)
    assert.equal(upstream.asked('/blobs/').length, 1)
  })

  it('is in no parts when it is whole before a second agent asks', async (t) => {
    const { proxy } = await startSite(t)
    const path = `/api/v1/fills/${layerDigest}?repository=docker.io/library/app`
    const begun = (await (await proxy.request(`${path}&asker=one`)).json()) as { sharing: string }
    await until(async () => (await proxy.store.stat(layerDigest)) !== undefined)
    await until(async () => {
      const said = await (await proxy.request(`${path}&sharing=${begun.sharing}&after=0`)).json()
      const { over, parts } = said as { over: boolean; parts: unknown[] }
      return over && parts.length === 0
    })
    const late = (await (await proxy.request(`${path}&asker=two`)).json()) as { sharing?: string }
    assert.equal(late.sharing, undefined)
  })

  it('lists the tags that the upstream has', async (t) => {
    const { proxy } = await startSite(t)
    const response = await proxy.request('/v2/app/tags/list?ns=docker.io')
    assert.deepEqual(await response.json(), { name: 'docker.io/library/app', tags: ['1'] })
  })

  it('has its referrers from the fallback tag where the upstream has no list', async (t) => {
    const { image, proxy, upstream } = await startSite(t)
    const referrer = { mediaType: MEDIA_TYPES.ociManifest, digest: layerDigest, size: 7, artifactType: 'a/sig' }
    const manifests = [referrer, { ...referrer, artifactType: 'a/sbom' }]
    upstream.manifest('library/app', image.replace(':', '-'), { schemaVersion: 2, manifests }, MEDIA_TYPES.ociIndex)
    const response = await proxy.request(`/v2/app/referrers/${image}?ns=docker.io&artifactType=a/sig`)
    assert.equal(response.headers.get('oci-filters-applied'), 'artifactType')
    assert.deepEqual(((await response.json()) as { manifests: unknown[] }).manifests, [referrer])
  })
})

describe('lists of an upstream that does not answer', () => {
  it('are of what is cached, soon and marked so', async (t) => {
    const { image, proxy, upstream } = await startSite(t)
    await (await proxy.request('/v2/app/manifests/1?ns=docker.io')).text()
    upstream.fault = () => true
    const soon = async (path: string): Promise<Response> =>
      await proxy.request(path, { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS / 2) })
    const tags = await soon('/v2/app/tags/list?ns=docker.io')
    assert.deepEqual(await tags.json(), { name: 'docker.io/library/app', tags: ['1'] })
    const asked = upstream.requests.length
    const referrers = await soon(`/v2/app/referrers/${image}?ns=docker.io`)
    assert.deepEqual(((await referrers.json()) as { manifests: unknown[] }).manifests, [])
    for (const { headers } of [tags, referrers]) assert.match(headers.get('warning') ?? '', /^110/)
    // The second one did not even ask: the first question hangs.
    assert.equal(upstream.requests.length, asked)
  })
})

describe('a tag', () => {
  it('is looked up again by HEAD after its time, and moves', async (t) => {
    const { proxy, upstream } = await startSite(t, { tagTtlMs: 0 })
    const tag = '/v2/app/manifests/1?ns=docker.io'
    const first = (await proxy.request(tag)).headers.get('docker-content-digest')
    assert.equal((await proxy.request(tag)).headers.get('docker-content-digest'), first)
    assert.deepEqual(
      upstream.asked('/manifests/').map(({ method }) => method),
      ['GET', 'HEAD']
    )
    const moved = upstream.image('library/app', '1', [])
    assert.equal((await proxy.request(tag)).headers.get('docker-content-digest'), moved)
  })

  it('is served as it was, and marked so, when the upstream fails, is busy or has it no more', async (t) => {
    const { image, proxy, upstream } = await startSite(t, { tagTtlMs: 0 })
    const tag = '/v2/app/manifests/1?ns=docker.io'
    await (await proxy.request(tag)).text()
    for (const status of [404, 401, 500, 429]) {
      upstream.fault = (request, response) => {
        if (request.url === '/v2/') return false
        response.writeHead(status, status === 429 ? { 'retry-after': '60' } : {}).end()
        return true
      }
      const response = await proxy.request(tag)
      assert.equal(response.status, 200, `status ${status}`)
      assert.match(response.headers.get('warning') ?? '', /^110/, `status ${status}`)
      assert.equal(digestOf(await bytesOf(response)), image)
      await until(() => status === 429 || proxy.registry.ready())
    }
  })

  it('costs no request while the upstream is known not to answer', async (t) => {
    const { proxy, upstream } = await startSite(t, { tagTtlMs: 0 })
    const tag = '/v2/app/manifests/1?ns=docker.io'
    await (await proxy.request(tag)).text()
    upstream.fault = (_request, response) => {
      response.writeHead(429, { 'retry-after': '600' }).end()
      return true
    }
    await (await proxy.request(tag)).text()
    const before = upstream.requests.length
    for (let i = 0; i < 5; i++) {
      const response = await proxy.request(tag)
      assert.match(response.headers.get('warning') ?? '', /^110/)
      await response.text()
    }
    assert.equal(upstream.requests.length, before)
    const { upstreams } = proxy.registry
    assert.deepEqual(
      upstreams.map(({ host, up }) => [host, up]),
      [['docker.io', false]]
    )
    assert.match(await proxy.metrics.metrics(), /shoal_upstream_up\{host="docker.io"\} 0/)
    const missing = await proxy.request('/v2/app/manifests/never?ns=docker.io')
    assert.equal(missing.status, 502)
    await missing.text()
  })
})

describe('an upstream', () => {
  it('with tokens gets one for its credentials, and they go nowhere else', async (t) => {
    const { proxy, upstream } = await startSite(t, { credentials: { username: 'ci', password: 'secret' } })
    const elsewhere = await FakeUpstream.start(t)
    elsewhere.blobs.set(layerDigest, layer)
    upstream.fault = (request, response) => {
      const { authorization } = request.headers
      if (request.url?.startsWith('/token')) {
        send(response, 200, 'application/json', { token: 'a-token' })
        return true
      }
      if (authorization !== 'Bearer a-token') {
        const scope = 'repository:library/app:pull'
        const challenge = `Bearer realm="${upstream.url}/token",service="r",scope="${scope}"`
        response.writeHead(401, { 'www-authenticate': challenge }).end()
        return true
      }
      if (!request.url?.includes('/blobs/')) return false
      response.writeHead(307, { location: `${elsewhere.url}/v2/library/app/blobs/${layerDigest}` }).end()
      return true
    }
    assert.deepEqual(await bytesOf(await proxy.request(blobPath)), layer)
    const [token] = upstream.asked('/token')
    assert.equal(token?.authorization, `Basic ${Buffer.from('ci:secret').toString('base64')}`)
    assert.deepEqual(
      elsewhere.requests.map(({ authorization }) => authorization),
      [undefined]
    )
  })
})
