import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import { collect, collected, gcState, postGc } from './gc-harness.ts'
import { basic, type Harness, imageManifest, json, pushBlob, pushImage, putManifest, startRegistry } from './harness.ts'

const none = { tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0 }

async function remove(harness: Harness, path: string): Promise<void> {
  const response = await harness.request(`/v2/${path}`, { method: 'DELETE', headers: basic() })
  assert.equal(response.status, 202, path)
}

async function status(harness: Harness, path: string, method = 'GET'): Promise<number> {
  const response = await harness.request(`/v2/${path}`, { method, headers: basic() })
  await response.arrayBuffer()
  return response.status
}

/** Push an index of these manifests, and give its digest. */
async function pushIndex(harness: Harness, name: string, reference: string, manifests: Buffer[]): Promise<Digest> {
  const bytes = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociIndex,
      manifests: manifests.map((each) => ({
        mediaType: MEDIA_TYPES.ociManifest,
        digest: digestOf(each),
        size: each.length
      }))
    })
  )
  const by = reference === 'digest' ? digestOf(bytes) : reference
  assert.equal((await putManifest(harness, name, by, bytes, MEDIA_TYPES.ociIndex)).status, 201)
  return digestOf(bytes)
}

it('removes nothing that is referred to', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await pushImage(harness, 'app', 'v1')
  await pushImage(harness, 'other', 'v1')
  await pushIndex(harness, 'app', 'all', [bytes])
  const state = await collect(harness, { untagged: true })
  assert.deepEqual([state.status, state.removed], ['done', none])
  assert.equal(await status(harness, 'app/manifests/v1'), 200)
})

it('removes what only a deleted manifest used, from store, metadata and chunk maps, and keeps what others use', async (t) => {
  const removed: Digest[] = []
  const harness = await startRegistry(t)
  harness.store.onRemoved(({ digest }) => removed.push(digest))
  const large = Buffer.alloc(3 * 1024 * 1024, 7)
  const shared = Buffer.from('shared')
  for (const name of ['app', 'other']) await pushBlob(harness, name, shared)
  await pushBlob(harness, 'app', large)
  const image = imageManifest(shared, [large])
  await putManifest(harness, 'app', 'v1', image)
  const other = imageManifest(shared, [])
  await putManifest(harness, 'other', 'v1', other)
  assert.ok(await harness.store.chunkMap(digestOf(large)))
  await remove(harness, `app/manifests/${digestOf(image)}`)
  const state = await collect(harness)
  assert.deepEqual(state.removed, { tags: 0, manifests: 0, links: 2, blobs: 2, bytes: large.length + image.length })
  assert.deepEqual(removed.sort(), [digestOf(image), digestOf(large)].sort())
  assert.equal(await harness.store.chunkMap(digestOf(large)), undefined)
  assert.equal(await status(harness, `app/blobs/${digestOf(shared)}`), 404)
  assert.equal(await status(harness, `other/blobs/${digestOf(shared)}`), 200)
  assert.equal(harness.store.usage.bytes, shared.length + other.length)
})

it('removes bytes that nothing links', async (t) => {
  const harness = await startRegistry(t)
  const ingest = await harness.store.ingest()
  await ingest.finish(digestOf(Buffer.alloc(0)))
  assert.deepEqual((await collect(harness)).removed, { ...none, blobs: 1 })
})

it('leaves manifests without a tag unless asked, and then removes what they alone kept, however deep', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await pushImage(harness, 'app', 'v1')
  const signature = imageManifest(Buffer.from('{}'), [], {
    subject: { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(bytes), size: bytes.length }
  })
  await pushBlob(harness, 'app', Buffer.from('{}'))
  assert.equal((await putManifest(harness, 'app', digestOf(signature), signature)).status, 201)
  await pushIndex(harness, 'app', 'all', [bytes])
  await remove(harness, 'app/manifests/v1')
  assert.deepEqual((await collect(harness, { untagged: true })).removed, none)
  await remove(harness, 'app/manifests/all')
  assert.deepEqual((await collect(harness)).removed, none)
  const dry = await collect(harness, { untagged: true, dryRun: true })
  assert.equal(await status(harness, `app/manifests/${digestOf(bytes)}`), 200)
  const before = harness.store.usage.bytes
  const wet = await collect(harness, { untagged: true })
  assert.deepEqual(wet.removed, { tags: 0, manifests: 3, links: 3, blobs: 6, bytes: before })
  assert.deepEqual(dry.removed, wet.removed)
  assert.deepEqual(new Set(dry.removals.map(({ digest }) => digest)), new Set(wet.removals.map(({ digest }) => digest)))
  assert.equal(harness.store.usage.blobs, 0)
})

it('leaves alone what was pushed, mounted or asked for within the grace window, after a restart too', async (t) => {
  let now = 1_000_000_000
  const harness = await startRegistry(t, { now: () => now })
  const bytes = Object.fromEntries(
    ['pushed', 'mounted', 'asked', 'pulled', 'old'].map((each) => [each, Buffer.from(each)])
  )
  const at = (name: string): Digest => digestOf(bytes[name] ?? Buffer.of())
  for (const each of Object.values(bytes)) await pushBlob(harness, 'app', each)
  const graceSeconds = 3600
  now += 2 * 3600_000
  await pushBlob(harness, 'app', Buffer.from('pushed'))
  await harness.request(`/v2/mine/blobs/uploads/?mount=${at('mounted')}&from=app`, { method: 'POST' })
  assert.equal(await status(harness, `app/blobs/${at('asked')}`, 'HEAD'), 200)
  assert.equal(await status(harness, `app/blobs/${at('pulled')}`), 200)
  await harness.registry.stop()
  await harness.registry.start()
  now += 3500_000
  const state = await collect(harness, { graceSeconds })
  assert.deepEqual(state.removed, { ...none, links: 2, blobs: 2, bytes: 'pulled'.length + 'old'.length })
  now += 300_000
  assert.equal((await collect(harness, { graceSeconds })).removed.blobs, 3)
})

it('leaves a manifest that was asked for, so that an index may list it', async (t) => {
  let now = 1_000_000_000
  const harness = await startRegistry(t, { now: () => now })
  const { digest } = await pushImage(harness, 'app', 'v1')
  await remove(harness, 'app/manifests/v1')
  now += 3_600_000
  assert.equal(await status(harness, `app/manifests/${digest}`, 'HEAD'), 200)
  assert.equal((await collect(harness, { untagged: true, graceSeconds: 600 })).removed.manifests, 0)
  now += 600_000
  assert.equal((await collect(harness, { untagged: true, graceSeconds: 600 })).removed.manifests, 1)
})

it("is the administrator's, one at a time, and says what is wrong", async (t) => {
  const harness = await startRegistry(t)
  const request = async (method: string, body?: string, headers: Record<string, string> = basic()): Promise<Response> =>
    await harness.request('/api/v1/gc', { method, headers, ...(body === undefined ? {} : { body }) })
  assert.equal((await request('GET')).status, 404)
  assert.equal((await request('DELETE')).status, 404)
  for (const method of ['POST', 'GET', 'DELETE']) {
    const response = await request(method, undefined, {})
    assert.equal(response.status, 401, method)
    assert.match(response.headers.get('www-authenticate') ?? '', /Basic/)
    assert.equal((await request(method, undefined, basic('wrong'))).status, 401)
  }
  for (const body of [
    '{',
    '[]',
    '{"grace":1}',
    '{"dryRun":1}',
    '{"untagged":"yes"}',
    '{"graceSeconds":-1}',
    '{"graceSeconds":"1h"}'
  ]) {
    const response = await request('POST', body)
    assert.equal(response.status, 400, body)
    assert.match(response.headers.get('content-type') ?? '', /problem\+json/, body)
  }
  const [first, second] = await Promise.all([postGc(harness), postGc(harness)])
  assert.deepEqual([first.status, second.status].sort(), [202, 409])
  const state = await collected(harness)
  assert.equal(state.graceSeconds, 7200)
  assert.equal(state.status, 'done')
  assert.ok(state.endedAt)
})

it('can be cancelled, and goes on after a restart where it was', async (t) => {
  const harness = await startRegistry(t)
  for (let n = 0; n < 30; n++) await pushBlob(harness, `app${n}`, Buffer.from(`blob ${n}`))
  await postGc(harness, { graceSeconds: 0 })
  const cancelled = await harness.request('/api/v1/gc', { method: 'DELETE', headers: basic() })
  assert.equal((await json<{ status: string }>(cancelled)).status, 'cancelled')
  const left = harness.store.usage.blobs
  assert.ok(left > 0, 'it was faster than the test')
  await postGc(harness, { graceSeconds: 0 })
  await harness.registry.stop()
  assert.ok(harness.store.usage.blobs > 0, 'it was faster than the test')
  await harness.registry.start()
  const state = await collected(harness)
  assert.equal(state.status, 'done')
  assert.equal(harness.store.usage.blobs, 0)
  assert.equal(state.removed.blobs, left)
  assert.equal((await gcState(harness)).id, state.id)
})
