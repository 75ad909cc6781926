import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import { errorCode, imageManifest, pushBlob, pushImage, putManifest, startRegistry } from './harness.ts'

const config = Buffer.from('{}')
const layer = Buffer.from('layer')

it('answers a push with the digest, and announces the manifest', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  await pushBlob(harness, 'app', layer)
  const bytes = imageManifest(config, [layer])
  const response = await putManifest(harness, 'app', 'v1', bytes)
  assert.equal(response.status, 201)
  assert.equal(response.headers.get('docker-content-digest'), digestOf(bytes))
  assert.equal(response.headers.get('location'), `/v2/app/manifests/${digestOf(bytes)}`)
  assert.deepEqual(
    harness.announced,
    [config, layer, bytes].map((each) => digestOf(each))
  )
  assert.notEqual(await harness.store.stat(digestOf(bytes)), undefined)
})

it('takes a manifest by its digest, sha512 too, and tags it on the way', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const bytes = imageManifest(config, [])
  for (const algorithm of ['sha256', 'sha512'] as const) {
    const digest = digestOf(bytes, algorithm)
    const response = await putManifest(harness, 'app', `${digest}?tag=${algorithm}&tag=latest`, bytes)
    assert.equal(response.status, 201, algorithm)
    assert.equal(response.headers.get('oci-tag'), `${algorithm}, latest`)
    const pulled = await harness.request(`/v2/app/manifests/${algorithm}`)
    assert.equal(pulled.headers.get('docker-content-digest'), digest)
    assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes)
  }
})

it('refuses a manifest under another digest, and stores nothing', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const blobs = harness.store.usage.blobs
  const wrong = digestOf(Buffer.from('wrong'))
  const response = await putManifest(harness, 'app', wrong, imageManifest(config, []))
  assert.equal(response.status, 400)
  assert.equal(await errorCode(response), 'DIGEST_INVALID')
  assert.equal(harness.store.usage.blobs, blobs)
})

it('refuses an image whose blobs the repository does not have, where it is told to', async (t) => {
  const harness = await startRegistry(t, { sparseImages: 'refuse' })
  await pushBlob(harness, 'app', config)
  await pushBlob(harness, 'other', layer)
  const response = await putManifest(harness, 'app', 'v1', imageManifest(config, [layer]))
  assert.equal(response.status, 404)
  assert.equal(await errorCode(response), 'MANIFEST_BLOB_UNKNOWN')
  const noConfig = await putManifest(harness, 'app', 'v1', imageManifest(layer, []))
  assert.equal(await errorCode(noConfig), 'MANIFEST_BLOB_UNKNOWN')
  assert.equal((await harness.request('/v2/app/manifests/v1')).status, 404)
})

it('accepts a layer that is to be had elsewhere', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const manifest: { layers: object[] } = JSON.parse(imageManifest(config, []).toString())
  const mediaType = 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip'
  manifest.layers.push({ mediaType, digest: digestOf(layer), size: 5, urls: ['https://example.com/layer'] })
  const response = await putManifest(harness, 'app', 'v1', Buffer.from(JSON.stringify(manifest)))
  assert.equal(response.status, 201)
})

it('refuses an image that is wrong about the size of a blob', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const lie = imageManifest(config, []).toString().replace('"size":2', '"size":3')
  const response = await putManifest(harness, 'app', 'v1', Buffer.from(lie))
  assert.equal(response.status, 400)
  assert.equal(await errorCode(response), 'MANIFEST_INVALID')
})

it('accepts an index whose manifests are not all here', async (t) => {
  const harness = await startRegistry(t)
  const { bytes, digest } = await pushImage(harness, 'app', 'amd64')
  const entry = (of: string, size: number): object => ({ mediaType: MEDIA_TYPES.ociManifest, digest: of, size })
  const manifests = [entry(digest, bytes.length), entry(digestOf(Buffer.from('missing')), 7)]
  const index = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.ociIndex, manifests }))
  const response = await putManifest(harness, 'app', 'latest', index, MEDIA_TYPES.ociIndex)
  assert.equal(response.status, 201)
  const pulled = await harness.request('/v2/app/manifests/latest')
  assert.equal(pulled.headers.get('content-type'), MEDIA_TYPES.ociIndex)
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), index)
})

it('refuses what is not a manifest or not under a name', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const good = imageManifest(config, [])
  const cases = [
    ['v1', Buffer.from('not json'), MEDIA_TYPES.ociManifest, 'MANIFEST_INVALID'],
    ['v1', Buffer.from('{}'), MEDIA_TYPES.ociManifest, 'MANIFEST_INVALID'],
    ['v1', good, MEDIA_TYPES.dockerManifest, 'MANIFEST_INVALID'],
    ['-v1', good, MEDIA_TYPES.ociManifest, 'MANIFEST_INVALID'],
    ['sha256:12', good, MEDIA_TYPES.ociManifest, 'DIGEST_INVALID'],
    ['v1', Buffer.alloc(0), MEDIA_TYPES.ociManifest, 'MANIFEST_INVALID']
  ] as const
  for (const [reference, bytes, mediaType, code] of cases) {
    const response = await putManifest(harness, 'app', reference, bytes, mediaType)
    assert.equal(response.status, 400, `${reference} ${bytes}`)
    assert.equal(await errorCode(response), code, `${reference} ${bytes}`)
  }
})

it('takes a manifest of 4 MiB, and refuses a longer one however it is sent', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', config)
  const limit = 4 * 1024 * 1024
  const short = imageManifest(config, [])
  const padded = (length: number): Buffer => Buffer.concat([short, Buffer.alloc(length - short.length, ' ')])
  assert.equal((await putManifest(harness, 'app', 'v1', padded(limit))).status, 201)
  const long = await putManifest(harness, 'app', 'v2', padded(limit + 1))
  assert.equal(long.status, 413)
  assert.equal(await errorCode(long), 'SIZE_INVALID')
  const streamed = await harness.request('/v2/app/manifests/v2', {
    method: 'PUT',
    headers: { 'content-type': MEDIA_TYPES.ociManifest },
    body: ReadableStream.from([padded(limit), Buffer.from(' ')]),
    duplex: 'half'
  })
  assert.equal(streamed.status, 413)
  assert.equal(await errorCode(streamed), 'SIZE_INVALID')
  assert.equal((await harness.request('/v2/app/manifests/v2')).status, 404)
})

it('deletes a tag alone, and a manifest with its tags', async (t) => {
  const harness = await startRegistry(t)
  const { bytes, digest } = await pushImage(harness, 'app', 'v1')
  await putManifest(harness, 'app', 'v2', bytes)
  const remove = async (reference: string): Promise<number> =>
    (await harness.request(`/v2/app/manifests/${reference}`, { method: 'DELETE' })).status
  const get = async (reference: string): Promise<number> =>
    (await harness.request(`/v2/app/manifests/${reference}`, { method: 'HEAD' })).status
  assert.equal(await remove('v1'), 202)
  assert.equal(await remove('v1'), 404)
  assert.deepEqual([await get('v1'), await get('v2'), await get(digest)], [404, 200, 200])
  assert.equal(await remove(digest), 202)
  assert.equal(await remove(digest), 404)
  assert.deepEqual([await get('v2'), await get(digest)], [404, 404])
  assert.equal(await remove('sha256:12'), 400)
})

it('goes on with the connection after it refused a body', async (t) => {
  const harness = await startRegistry(t)
  for (let i = 0; i < 3; i++) {
    const response = await harness.request('/v2/BAD/blobs/uploads/', { method: 'POST', body: randomBytes(3_000_000) })
    assert.equal(response.status, 400)
    assert.equal(await errorCode(response), 'NAME_INVALID')
  }
})
