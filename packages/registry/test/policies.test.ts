import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import fc from 'fast-check'
import { expiredTags } from '../src/gc/retention.ts'
import { LevelMetadata } from '../src/level-metadata.ts'
import { Policies } from '../src/policies.ts'
import { collect } from './gc-harness.ts'
import {
  copy,
  errorCode,
  type Harness,
  imageManifest,
  pushBlob,
  pushImage,
  putManifest,
  startRegistry
} from './harness.ts'

const DAY_MS = 86_400_000

/** Push an image without layers, and give its digest. */
async function pushVersion(harness: Harness, name: string, tag: string): Promise<Digest> {
  const config = Buffer.from(`{"version":"${tag}"}`)
  await pushBlob(harness, name, config)
  const bytes = imageManifest(config, [])
  const response = await putManifest(harness, name, tag, bytes)
  assert.equal(response.status, 201, await response.text())
  return digestOf(bytes)
}

async function tags(harness: Harness, name: string): Promise<unknown> {
  const body: unknown = await (await harness.request(`/v2/${name}/tags/list`)).json()
  return typeof body === 'object' && body !== null ? Reflect.get(body, 'tags') : undefined
}

it('the longest prefix that says something decides', () => {
  const policies = new Policies([
    { prefix: '', keepTags: 5, immutableTags: ['v*'] },
    { prefix: 'team/', keepPulledMs: 7, quotaBytes: 1 },
    { prefix: 'team/app', immutableTags: ['r?.1'], deleteUntagged: false }
  ])
  assert.deepEqual(policies.retention('other'), { keepTags: 5 })
  assert.deepEqual(policies.retention('team/app'), { keepPulledMs: 7 })
  assert.equal(policies.isImmutable('team/x', 'v1'), true)
  assert.equal(policies.isImmutable('team/x', 'xv1'), false)
  assert.equal(policies.isImmutable('team/app', 'v1'), false)
  assert.equal(policies.isImmutable('team/app', 'r2.1'), true)
  assert.equal(policies.isImmutable('team/app', 'r2x1'), false)
  assert.equal(policies.deletesUntagged('team/app'), false)
  assert.equal(policies.deletesUntagged('other'), true)
  assert.equal(new Policies([]).deletesUntagged('other'), false)
})

it('expires what no rule keeps, and nothing else', () => {
  const tag = fc.record({ taggedAt: fc.nat(100), pulledAt: fc.option(fc.nat(100), { nil: undefined }) })
  const rules = fc.record({ keepTags: fc.integer({ min: 1, max: 6 }), keepPulledMs: fc.nat(100) }, { requiredKeys: [] })
  fc.assert(
    fc.property(fc.array(tag, { maxLength: 12 }), rules, (list, rule) => {
      const all = list.map((each, index) => ({ ...each, tag: `t${index}`, digest: digestOf(Buffer.of(index)) }))
      const expired = new Set(expiredTags(all, rule, 100))
      const kept = all.filter((each) => !expired.has(each))
      const { keepPulledMs, keepTags } = rule
      if (keepTags !== undefined) assert.ok(kept.length >= Math.min(keepTags, all.length))
      if (keepTags !== undefined && keepPulledMs === undefined)
        assert.equal(kept.length, Math.min(keepTags, all.length))
      for (const each of all) {
        const used = Math.max(each.taggedAt, each.pulledAt ?? 0)
        if (keepPulledMs !== undefined && 100 - used <= keepPulledMs) assert.ok(!expired.has(each))
        // What was tagged later than something kept by number alone is kept too.
        if (expired.has(each) && keepTags !== undefined) {
          assert.ok(all.filter(({ taggedAt }) => taggedAt >= each.taggedAt).length > keepTags)
        }
      }
    })
  )
})

it('keeps the latest tags, those pulled lately, and immutable ones; a dry run says which go', async (t) => {
  let now = 1_000 * DAY_MS
  const policies = [{ prefix: 'team/', keepTags: 2, keepPulledMs: 10 * DAY_MS, immutableTags: ['r*'] }]
  const harness = await startRegistry(t, { now: () => now, policies })
  for (const tag of ['r1', 'v1', 'v2', 'v3', 'v4', 'v5']) {
    now += DAY_MS
    await pushVersion(harness, 'team/app', tag)
    await pushVersion(harness, 'other', tag)
  }
  now += 30 * DAY_MS
  await (await harness.request('/v2/team/app/manifests/v2')).arrayBuffer()
  const dry = await collect(harness, { dryRun: true })
  assert.deepEqual(await tags(harness, 'team/app'), ['r1', 'v1', 'v2', 'v3', 'v4', 'v5'])
  assert.deepEqual(dry.removals.flatMap(({ tag }) => tag ?? []).sort(), ['v1', 'v3'])
  const wet = await collect(harness)
  assert.deepEqual(wet.removed, dry.removed)
  assert.equal(wet.removed.manifests, 2)
  assert.deepEqual(await tags(harness, 'team/app'), ['r1', 'v2', 'v4', 'v5'])
  assert.deepEqual(await tags(harness, 'other'), ['r1', 'v1', 'v2', 'v3', 'v4', 'v5'])
})

it('does not move or remove an immutable tag', async (t) => {
  const harness = await startRegistry(t, { policies: [{ prefix: '', immutableTags: ['v*'] }] })
  const digest = await pushVersion(harness, 'app', 'v1')
  await pushVersion(harness, 'app', 'latest')
  const config = Buffer.from('{"version":"v1"}')
  const other = imageManifest(config, [], { annotations: { other: 'yes' } })
  const denied = [
    await putManifest(harness, 'app', 'v1', other),
    await putManifest(harness, 'app', `${digestOf(other)}?tag=new&tag=v1`, other),
    await harness.request('/v2/app/manifests/v1', { method: 'DELETE' }),
    await harness.request(`/v2/app/manifests/${digest}`, { method: 'DELETE' })
  ]
  for (const response of denied) {
    assert.equal(response.status, 403)
    assert.equal(await errorCode(response), 'DENIED')
  }
  assert.deepEqual(await tags(harness, 'app'), ['latest', 'v1'])
  assert.equal(await harness.store.stat(digestOf(other)), undefined)
  assert.equal((await putManifest(harness, 'app', 'v1', imageManifest(config, []))).status, 201)
  assert.equal((await harness.request('/v2/app/manifests/latest', { method: 'DELETE' })).status, 202)
})

it('does not remove an immutable tag that is set while it is asked to', async (t) => {
  const harness = await startRegistry(t, { policies: [{ prefix: '', immutableTags: ['v*'] }] })
  const manifest = imageManifest(Buffer.from('{"version":"latest"}'), [])
  const digest = await pushVersion(harness, 'app', 'latest')
  const inBetween = async (): Promise<void> => {
    assert.equal((await putManifest(harness, 'app', 'v2', manifest)).status, 201)
  }
  const { deleteManifest, deleteTag } = LevelMetadata.prototype
  t.mock.method(
    LevelMetadata.prototype,
    'deleteManifest',
    async function (this: LevelMetadata, ...args: Parameters<LevelMetadata['deleteManifest']>) {
      await inBetween()
      return await deleteManifest.apply(this, args)
    }
  )
  t.mock.method(
    LevelMetadata.prototype,
    'deleteTag',
    async function (this: LevelMetadata, ...args: Parameters<LevelMetadata['deleteTag']>) {
      await inBetween()
      return await deleteTag.apply(this, args)
    }
  )
  assert.equal((await harness.request('/v2/app/manifests/v2', { method: 'DELETE' })).status, 404)
  assert.equal((await harness.request(`/v2/app/manifests/${digest}`, { method: 'DELETE' })).status, 403)
  assert.deepEqual(await tags(harness, 'app'), ['latest', 'v2'])
})

it('a push cannot exceed a quota, on any way in, and leaves nothing', async (t) => {
  const policies = [{ prefix: 'team/', quotaBytes: 1000 }]
  const harness = await startRegistry(t, { policies })
  await pushBlob(harness, 'team/a', Buffer.alloc(600, 1))
  const shared = digestOf(Buffer.alloc(600, 1))
  const large = Buffer.alloc(401, 2)
  const begin = async (): Promise<string> =>
    (await harness.request('/v2/team/b/blobs/uploads/', { method: 'POST' })).headers.get('location') ?? ''
  const patched = await begin()
  const streamed = await begin()
  const put = await begin()
  const chunked = await begin()
  assert.equal((await harness.request(chunked, { method: 'PATCH', body: copy(large.subarray(0, 400)) })).status, 202)
  const body = copy(large)
  const denied = [
    await harness.request(`/v2/team/b/blobs/uploads/?digest=${digestOf(large)}`, { method: 'POST', body }),
    await harness.request(patched, { method: 'PATCH', body }),
    await harness.request(streamed, { method: 'PATCH', body: ReadableStream.from([large]), duplex: 'half' }),
    await harness.request(`${put}?digest=${digestOf(large)}`, { method: 'PUT', body }),
    await harness.request(chunked, { method: 'PATCH', body: copy(large.subarray(400)) })
  ]
  for (const [index, response] of denied.entries()) {
    assert.equal(response.status, 403, String(index))
    const text = await response.clone().text()
    assert.equal(await errorCode(response), 'DENIED', text)
    assert.match(text, /quota of team\/: 600 of 1000 bytes are used/)
  }
  for (const location of [patched, streamed, put, chunked]) {
    assert.equal((await harness.request(location)).status, 404, location)
  }
  assert.equal(harness.store.usage.bytes, 600)
  assert.equal((await harness.registry.status()).uploads, 0)
  // What the prefix has already costs nothing again, and other prefixes are free.
  const mount = `/v2/team/b/blobs/uploads/?mount=${shared}&from=team/a`
  assert.equal((await harness.request(mount, { method: 'POST' })).status, 201)
  await pushBlob(harness, 'other', large)
  // A mount from elsewhere, and a manifest, count as well.
  const foreign = `/v2/team/b/blobs/uploads/?mount=${digestOf(large)}&from=other`
  assert.equal((await harness.request(foreign, { method: 'POST' })).status, 403)
  const manifest = imageManifest(Buffer.alloc(600, 1), [], { annotations: { long: 'x'.repeat(500) } })
  assert.equal((await putManifest(harness, 'team/b', 'v1', manifest)).status, 403)
  assert.deepEqual(await tags(harness, 'team/b'), [])
})

it('has room again when something is removed, and counts the same after a restart', async (t) => {
  const harness = await startRegistry(t, { policies: [{ prefix: '', quotaBytes: 2000 }] })
  const post = async (size: number, name = 'app'): Promise<number> => {
    const bytes = Buffer.alloc(size, size % 251)
    const digest = digestOf(bytes)
    const path = `/v2/${name}/blobs/uploads/?digest=${digest}`
    return (await harness.request(path, { method: 'POST', body: copy(bytes) })).status
  }
  const { digest } = await pushImage(harness, 'app', 'v1')
  const used = harness.store.usage.bytes
  assert.equal(await post(2001 - used), 403)
  assert.equal(await post(1000 - used), 201)
  await harness.registry.stop()
  await harness.registry.start()
  assert.equal(await post(1001), 403)
  const text = await harness.metrics.metrics()
  assert.match(text, /shoal_registry_quota_bytes\{prefix="",what="used"\} 1000/)
  assert.match(text, /shoal_registry_quota_bytes\{prefix="",what="limit"\} 2000/)
  assert.equal(await post(900), 201)
  assert.equal((await harness.request(`/v2/app/manifests/${digest}`, { method: 'DELETE' })).status, 202)
  await collect(harness)
  assert.equal(harness.store.usage.bytes, 0)
  assert.equal(await post(2000), 201)
})

it('pushes at the same time do not exceed a quota together', async (t) => {
  const harness = await startRegistry(t, { policies: [{ prefix: 'team/', quotaBytes: 10_000 }] })
  const statuses = await Promise.all(
    Array.from({ length: 30 }, async (_, n) => {
      // Every blob is pushed to two repositories; it counts once.
      const bytes = Buffer.alloc(1000, 100 + Math.floor(n / 2))
      const path = `/v2/team/${n % 2}/blobs/uploads/?digest=${digestOf(bytes)}`
      return (await harness.request(path, { method: 'POST', body: copy(bytes) })).status
    })
  )
  const stored = new Set(statuses.flatMap((status, n) => (status === 201 ? [Math.floor(n / 2)] : [])))
  assert.deepEqual(new Set(statuses), new Set([201, 403]))
  assert.equal(stored.size, 10)
  assert.equal(harness.store.usage.bytes, 10_000)
})
