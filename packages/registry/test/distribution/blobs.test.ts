import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import { errorCode, type Harness, putManifest, startRegistry } from '../harness.ts'
import {
  ALGORITHMS,
  beginUpload,
  endUpload,
  havingBlob,
  locationOf,
  OTHER,
  sendChunk,
  WAYS,
  type Way,
  withQuery
} from './pushing.ts'

const NAME = 'conformance/blobs'
const SIZE = 4500
const bytes = randomBytes(SIZE)

for (const algorithm of ALGORITHMS) {
  const digest = digestOf(bytes, algorithm)
  const url = `/v2/${NAME}/blobs/${digest}`

  describe(`blobs with ${algorithm}`, () => {
    it('end-4, end-5, end-6: takes a blob in every way', async (t) => {
      const harness = await startRegistry(t)
      for (const [way, send] of Object.entries(WAYS)) await t.test(way, async () => await takes(harness, send, digest))
    })

    it('end-4, end-5, end-6: takes an empty blob in every way', async (t) => {
      const harness = await startRegistry(t)
      const empty = digestOf(Buffer.alloc(0), algorithm)
      for (const [way, send] of Object.entries(WAYS)) {
        const name = nameOf(way)
        assert.equal((await send(harness, name, Buffer.alloc(0), empty)).status, 201, way)
        const get = await harness.request(`/v2/${name}/blobs/${empty}`)
        assert.equal(get.headers.get('content-length'), '0', way)
        assert.equal((await get.arrayBuffer()).byteLength, 0, way)
      }
    })

    it('end-4, end-6: refuses a digest that is wrong in every way', async (t) => {
      const harness = await startRegistry(t)
      const wrong = digestOf(Buffer.from('something else'), algorithm)
      for (const [way, send] of Object.entries(WAYS)) {
        const response = await send(harness, NAME, bytes, wrong)
        assert.equal(response.status, 400, way)
        assert.equal(await errorCode(response), 'DIGEST_INVALID', way)
        for (const each of [digest, wrong]) {
          assert.equal((await harness.request(`/v2/${NAME}/blobs/${each}`)).status, 404, `${way}: ${each}`)
        }
      }
    })

    it('end-2: serves ranges, and refuses those that are not there', async (t) => {
      const harness = await startRegistry(t)
      await havingBlob(harness, NAME, bytes, algorithm)
      const cases: [string, number, number][] = [
        ['500-1499', 500, 1499],
        ['500-', 500, SIZE - 1],
        ['-500', SIZE - 500, SIZE - 1],
        ['2000-5000', 2000, SIZE - 1]
      ]
      for (const [range, first, last] of cases) {
        const response = await harness.request(url, { headers: { range: `bytes=${range}` } })
        assert.equal(response.status, 206, range)
        assert.equal(response.headers.get('content-range'), `bytes ${first}-${last}/${SIZE}`, range)
        assert.equal(response.headers.get('content-length'), String(last - first + 1), range)
        assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes.subarray(first, last + 1), range)
      }
      for (const range of ['500-0', '5000-10000']) {
        const response = await harness.request(url, { headers: { range: `bytes=${range}` } })
        assert.equal(response.status, 416, range)
        assert.equal(response.headers.get('content-range'), `bytes */${SIZE}`, range)
        await response.arrayBuffer()
      }
    })

    it('end-11: mounts from a repository that is named, and from any', async (t) => {
      const harness = await startRegistry(t)
      await havingBlob(harness, OTHER, bytes, algorithm)
      for (const [name, query] of [
        ['conformance/named', `mount=${digest}&from=${OTHER}`],
        ['conformance/anonymous', `mount=${digest}`]
      ]) {
        const response = await harness.request(`/v2/${name}/blobs/uploads/?${query}`, { method: 'POST' })
        assert.equal(response.status, 201, query)
        assert.equal(response.headers.get('docker-content-digest'), digest, query)
        const get = await harness.request(locationOf(response))
        assert.deepEqual(Buffer.from(await get.arrayBuffer()), bytes, query)
      }
    })

    it('end-11: begins an upload where there is nothing to mount', async (t) => {
      const harness = await startRegistry(t)
      const manifest = Buffer.from('{"schemaVersion":2,"manifests":[]}')
      const put = await putManifest(harness, OTHER, digestOf(manifest), manifest, MEDIA_TYPES.ociIndex)
      assert.equal(put.status, 201)
      for (const query of [
        `mount=${digest}`,
        `mount=${digest}&from=${OTHER}`,
        `mount=${digest}&from=Not/A/Name`,
        // The bytes of a manifest are in the store, and yet they are nobody's blob.
        `mount=${digestOf(manifest)}`
      ]) {
        const response = await harness.request(`/v2/${NAME}/blobs/uploads/?${query}`, { method: 'POST' })
        assert.equal(response.status, 202, query)
        assert.equal((await endUpload(harness, locationOf(response), digest, bytes)).status, 201, query)
        await harness.request(url, { method: 'DELETE' })
      }
    })
  })
}

it('end-5, end-6, end-13: answers a chunk out of order with 416, and the upload goes on', async (t) => {
  const harness = await startRegistry(t)
  const digest = digestOf(bytes)
  let location = locationOf(await sendChunk(harness, await beginUpload(harness, NAME), bytes, 0, 1500))
  const early = await sendChunk(harness, location, bytes, 3000, SIZE)
  const again = await sendChunk(harness, location, bytes, 0, 1500)
  const headers = { 'content-range': `3000-${SIZE - 1}` }
  const put = await endUpload(harness, location, digest, bytes.subarray(3000), headers)
  for (const response of [early, again, put]) {
    assert.equal(response.status, 416)
    assert.equal(response.headers.get('range'), '0-1499')
    assert.equal(await errorCode(response), 'BLOB_UPLOAD_INVALID')
  }
  const status = await harness.request(location)
  assert.equal(status.status, 204)
  assert.equal(status.headers.get('range'), '0-1499')
  location = locationOf(await sendChunk(harness, locationOf(status), bytes, 1500, 3000))
  const rest = { 'content-range': `3000-${SIZE - 1}` }
  assert.equal((await endUpload(harness, location, digest, bytes.subarray(3000), rest)).status, 201)
})

it('end-14: cancels an upload, once', async (t) => {
  const harness = await startRegistry(t)
  const location = locationOf(await sendChunk(harness, await beginUpload(harness, NAME), bytes, 0, 1500))
  assert.equal((await harness.request(location, { method: 'DELETE' })).status, 204)
  for (const method of ['DELETE', 'GET', 'PATCH', 'PUT']) {
    const response = await harness.request(withQuery(location, 'digest', digestOf(bytes)), { method })
    assert.equal(response.status, 404, method)
    assert.equal(await errorCode(response), 'BLOB_UPLOAD_UNKNOWN', method)
  }
})

/** A repository for each way, so that nothing is there before. */
function nameOf(way: string): string {
  return `${NAME}/${way.toLowerCase().replaceAll(/[^a-z]+/g, '-')}`
}

/** end-2, end-10: what was pushed is there, as it was pushed, until it is deleted. */
async function takes(harness: Harness, send: Way, digest: Digest): Promise<void> {
  const { request } = harness
  const pushed = await send(harness, NAME, bytes, digest)
  assert.equal(pushed.status, 201)
  assert.equal(pushed.headers.get('docker-content-digest'), digest)
  const head = await request(locationOf(pushed), { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-length'), String(SIZE))
  assert.equal(head.headers.get('docker-content-digest'), digest)
  const url = `/v2/${NAME}/blobs/${digest}`
  const get = await request(url)
  assert.equal(get.status, 200)
  assert.equal(get.headers.get('docker-content-digest'), digest)
  assert.deepEqual(Buffer.from(await get.arrayBuffer()), bytes)
  assert.equal((await request(url, { method: 'DELETE' })).status, 202)
  for (const method of ['GET', 'HEAD', 'DELETE']) assert.equal((await request(url, { method })).status, 404, method)
}
