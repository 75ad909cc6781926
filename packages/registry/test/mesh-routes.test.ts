import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { it } from 'node:test'
import { assembleChunkMap, decodeSegment } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { json, pushBlob, startRegistry } from './harness.ts'

it('tells anybody how to reach it in the mesh', async (t) => {
  const { request } = await startRegistry(t, { anonymous: 'none' })
  const response = await request('/api/v1/mesh')
  assert.equal(response.status, 200)
  assert.deepEqual(await response.json(), { peerId: 'peer', addresses: ['/ip4/127.0.0.1/tcp/1'] })
})

it('gives the signed chunk map of a blob', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(3 * 1024 * 1024 + 5)
  const digest = await pushBlob(harness, 'app', bytes)
  const response = await harness.request(`/api/v1/chunk-maps/${digest}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('content-type'), 'application/vnd.shoal.chunk-map.v1')
  assert.equal(response.headers.get('shoal-blob-size'), String(bytes.length))
  const body = Buffer.from(await response.arrayBuffer())
  const length = body.readUInt32BE(0)
  assert.equal(body.length, 4 + length)
  const map = assembleChunkMap([decodeSegment(body.subarray(4))])
  assert.deepEqual([map.digest, map.size], [digest, bytes.length])
})

it('gives only the size where the digest proves the one chunk', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'app', Buffer.from('small'))
  const response = await harness.request(`/api/v1/chunk-maps/${digest}`)
  assert.equal(response.status, 200)
  assert.equal(response.headers.get('shoal-blob-size'), '5')
  assert.equal((await response.arrayBuffer()).byteLength, 0)
})

it('answers with a problem for anything else', async (t) => {
  const { request } = await startRegistry(t)
  const cases = [
    [`/api/v1/chunk-maps/${digestOf(Buffer.from('missing'))}`, 404],
    [`/api/v1/chunk-maps/${digestOf(Buffer.from('missing'), 'sha512')}`, 404],
    ['/api/v1/chunk-maps/nonsense', 400],
    ['/api/v1/nothing', 404],
    ['/', 404],
    ['/v3/', 404],
    ['/%zz', 400]
  ] as const
  for (const [path, status] of cases) {
    const response = await request(path)
    assert.equal(response.status, status, path)
    assert.equal(response.headers.get('content-type')?.split(';')[0], 'application/problem+json', path)
    const body = await json<{ status: number; detail: string }>(response)
    assert.equal(body.status, status, path)
    assert.notEqual(body.detail, '', path)
  }
})
