import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { endToEnd } from '../harness/requirements.ts'
import { pullImage, UpstreamSite } from '../harness/upstream-site.ts'

const MIB = 1024 * 1024
/** How much more than the image may come from the upstream, however many agents pull. */
const UPSTREAM_COPIES_LIMIT = 1.02
/**
 * How many copies the registry may send to eight agents. Mostly it sends one, 1.1 on a busy machine: all nine are in this
 * process, and to whom nothing comes for a second is sent a chunk again. Without the mesh there would be eight.
 */
const REGISTRY_COPIES_LIMIT = 1.5
const NS = 'docker.io'

describe('an image of another registry', endToEnd(), () => {
  let site: UpstreamSite

  before(async () => {
    site = await UpstreamSite.start({ agents: 8, bytesPerSecond: 24 * MIB, tagTtlMs: 0 })
  })
  after(() => site?.stop())

  it('is fetched once for eight agents that pull it at the same moment', async () => {
    const image = await site.push('library/together', [12 * MIB, 6 * MIB, MIB])
    site.upstream.reset()
    await Promise.all(site.mirrors.map((mirror) => pullImage(mirror, image, NS)))
    const { upstream } = site
    for (const { digest } of image.blobs) assert.equal(upstream.blobRequests().get(digest), 1, digest)
    assert.ok(upstream.bytes <= image.bytes * UPSTREAM_COPIES_LIMIT, `${upstream.bytes} of ${image.bytes} bytes`)
    const { bytesSent } = await site.mesh.registry.status()
    const sent = bytesSent.peer + bytesSent.client
    const said = `the registry sent ${sent} bytes for an image of ${image.bytes}`
    assert.ok(sent <= image.bytes * REGISTRY_COPIES_LIMIT, said)
  })

  it('comes whole when the upstream dies half way and returns', async () => {
    const image = await site.push('library/interrupted', [12 * MIB])
    const [, layer] = image.blobs
    assert.ok(layer)
    site.upstream.reset()
    let isDead = false
    site.upstream.fault = ({ method, path }) => {
      if (isDead) return { refuse: true }
      if (method !== 'GET' || !path.includes(layer.digest)) return undefined
      isDead = true
      setTimeout(() => {
        isDead = false
        site.upstream.fault = () => undefined
      }, 1_500)
      return { cutAfter: 6 * MIB }
    }
    await Promise.all(site.mirrors.slice(0, 3).map((mirror) => pullImage(mirror, image, NS)))
    const ranges = site.upstream.requests.filter(({ path }) => path.includes(layer.digest)).map(({ range }) => range)
    assert.match(ranges.at(-1) ?? '', /^bytes=[1-9]\d+-/)
    assert.ok(site.upstream.bytes <= image.bytes * UPSTREAM_COPIES_LIMIT, `${site.upstream.bytes} bytes`)
  })

  it('is served from the cache, and without waiting, when the upstream is down, busy or broken', async () => {
    const image = await site.push('library/cached', [6 * MIB])
    const [first = '', second = ''] = site.mirrors
    await site.untilUp()
    await pullImage(first, image, NS)
    for (const fault of [{ refuse: true }, { status: 500 }, { status: 429, retryAfterSeconds: 60 }]) {
      site.upstream.fault = () => fault
      await pullImage(site.registryUrl, { ...image, repository: `docker.io/${image.repository}` })
      site.upstream.reset()
      await pullImage(second, image, NS)
      await pullImage(site.registryUrl, { ...image, repository: `docker.io/${image.repository}` })
      // A probe may be among them; no pull asks for anything.
      assert.deepEqual(
        site.upstream.requests.filter(({ path }) => path !== '/v2/'),
        []
      )
      const { upstreams } = await site.mesh.registry.status()
      assert.deepEqual(
        upstreams.map(({ host, up }) => [host, up]),
        [['docker.io', false]]
      )
    }
  })
})

describe('wrong bytes of another registry', endToEnd(), () => {
  let site: UpstreamSite

  before(async () => {
    site = await UpstreamSite.start({ agents: 2 })
  })
  after(() => site?.stop())

  it('never make a blob, and are fetched again', async () => {
    const image = await site.push('library/wrong', [8 * MIB])
    const [, layer] = image.blobs
    assert.ok(layer)
    let times = 1
    site.upstream.fault = ({ method, path }) =>
      method === 'GET' && path.includes(layer.digest) && times-- > 0 ? { wrongAt: 5_000 } : undefined
    const results = await Promise.allSettled(site.mirrors.map((mirror) => pullImage(mirror, image, NS)))
    for (const result of results) {
      // Whoever was sent some of them was not sent the end, and asks again.
      if (result.status === 'rejected') assert.doesNotMatch(String(result.reason), / came as /)
    }
    await Promise.all(site.mirrors.map((mirror) => pullImage(mirror, image, NS)))
    assert.equal(site.upstream.blobRequests().get(layer.digest), 2)
  })

  it('come no more from an upstream without ranges that breaks off', async () => {
    const image = await site.push('library/rangeless', [8 * MIB])
    const [, layer] = image.blobs
    assert.ok(layer)
    let times = 1
    site.upstream.fault = ({ method, path }) =>
      method === 'GET' && path.includes(layer.digest)
        ? { withoutRanges: true, ...(times-- > 0 ? { cutAfter: 4 * MIB } : {}) }
        : undefined
    await Promise.all(site.mirrors.map((mirror) => pullImage(mirror, image, NS)))
  })
})
