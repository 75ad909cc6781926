import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { it } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import { errorCode, pushBlob, pushImage, startRegistry } from './harness.ts'

it('serves a blob with its digest, length and ranges', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(3000)
  const digest = await pushBlob(harness, 'team/app', bytes)
  const url = `/v2/team/app/blobs/${digest}`

  const head = await harness.request(url, { method: 'HEAD' })
  assert.equal(head.status, 200)
  assert.equal(head.headers.get('content-length'), '3000')
  assert.equal(head.headers.get('docker-content-digest'), digest)
  assert.equal(head.headers.get('accept-ranges'), 'bytes')
  assert.equal(head.headers.get('content-type'), 'application/octet-stream')

  const get = await harness.request(url)
  assert.equal(get.status, 200)
  assert.equal(get.headers.get('docker-content-digest'), digest)
  assert.equal(get.headers.get('content-encoding'), null)
  assert.deepEqual(Buffer.from(await get.arrayBuffer()), bytes)
  assert.equal(harness.sent(), 3000)
})

it('serves exactly the range that was asked for', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(3000)
  const digest = await pushBlob(harness, 'app', bytes)
  const cases = [
    ['bytes=500-1499', 500, 1500],
    ['bytes=500-', 500, 3000],
    ['bytes=-500', 2500, 3000],
    ['bytes=2000-5000', 2000, 3000],
    ['bytes=2999-2999', 2999, 3000],
    ['bytes=-9999', 0, 3000]
  ] as const
  for (const [range, start, end] of cases) {
    const response = await harness.request(`/v2/app/blobs/${digest}`, { headers: { range } })
    assert.equal(response.status, 206, range)
    assert.equal(response.headers.get('content-range'), `bytes ${start}-${end - 1}/3000`, range)
    assert.equal(response.headers.get('content-length'), String(end - start), range)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes.subarray(start, end), range)
  }
})

it('refuses a range past the end with the size of the blob', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'app', randomBytes(3000))
  for (const range of ['bytes=3000-', 'bytes=5000-10000', 'bytes=-0']) {
    const response = await harness.request(`/v2/app/blobs/${digest}`, { headers: { range } })
    assert.equal(response.status, 416, range)
    assert.equal(response.headers.get('content-range'), 'bytes */3000', range)
    assert.equal(await errorCode(response), 'SIZE_INVALID', range)
  }
})

it('heeds conditions: an old If-Range gets the whole, a known ETag gets nothing', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'app', randomBytes(100))
  const url = `/v2/app/blobs/${digest}`
  const old = await harness.request(url, { headers: { range: 'bytes=0-9', 'if-range': '"other"' } })
  assert.equal(old.status, 200)
  assert.equal((await old.arrayBuffer()).byteLength, 100)
  const same = await harness.request(url, { headers: { range: 'bytes=0-9', 'if-range': `"${digest}"` } })
  assert.equal(same.status, 206)
  await same.arrayBuffer()
  const known = await harness.request(url, { headers: { 'if-none-match': `"${digest}"` } })
  assert.equal(known.status, 304)
  assert.equal((await known.arrayBuffer()).byteLength, 0)
})

it('serves a blob only from a repository that has it', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'private', Buffer.from('secret'))
  await pushBlob(harness, 'public', Buffer.from('other'))
  const response = await harness.request(`/v2/public/blobs/${digest}`)
  assert.equal(response.status, 404)
  assert.equal(await errorCode(response), 'BLOB_UNKNOWN')
})

it('serves a manifest byte for byte by tag and by digest', async (t) => {
  const harness = await startRegistry(t)
  const { bytes, digest } = await pushImage(harness, 'app', 'v1')
  for (const reference of ['v1', digest]) {
    for (const method of ['GET', 'HEAD']) {
      const response = await harness.request(`/v2/app/manifests/${reference}`, { method })
      assert.equal(response.status, 200)
      assert.equal(response.headers.get('content-type'), 'application/vnd.oci.image.manifest.v1+json')
      assert.equal(response.headers.get('content-length'), String(bytes.length))
      assert.equal(response.headers.get('docker-content-digest'), digest)
      const body = Buffer.from(await response.arrayBuffer())
      assert.deepEqual(body, method === 'GET' ? bytes : Buffer.alloc(0))
    }
  }
})

it('says which of repository, manifest and blob is not there', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, 'app', 'v1')
  const missing = digestOf(Buffer.from('missing'))
  const cases = [
    ['/v2/nothing/manifests/v1', 404, 'NAME_UNKNOWN'],
    ['/v2/app/manifests/v2', 404, 'MANIFEST_UNKNOWN'],
    [`/v2/app/manifests/${missing}`, 404, 'MANIFEST_UNKNOWN'],
    [`/v2/app/blobs/${missing}`, 404, 'BLOB_UNKNOWN'],
    ['/v2/app/blobs/sha256:short', 400, 'DIGEST_INVALID'],
    ['/v2/app/manifests/sha256:short', 400, 'DIGEST_INVALID'],
    ['/v2/UPPER/manifests/v1', 400, 'NAME_INVALID'],
    ['/v2/app/nonsense', 404, 'UNSUPPORTED']
  ] as const
  for (const [path, status, code] of cases) {
    const response = await harness.request(path)
    assert.equal(response.status, status, path)
    assert.equal(await errorCode(response), code, path)
  }
})

it('takes paths that are written with escapes, and refuses those that are not paths', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'team/app', Buffer.from('x'))
  const escaped = await harness.request(`/v2/team%2Fapp/blobs/${digest.replace(':', '%3A')}`)
  assert.equal(escaped.status, 200)
  await escaped.arrayBuffer()
  for (const path of ['/v2/%zz/tags/list', '/v2/a/../b/tags/list/%00', `/v2/${'a'.repeat(300)}/tags/list`]) {
    const response = await harness.request(path)
    assert.ok(response.status === 400 || response.status === 404, `${path}: ${response.status}`)
    assert.match(await errorCode(response), /^(NAME_INVALID|UNSUPPORTED)$/, path)
  }
})

it('says at the base, whatever the answer, that this is the distribution API', async (t) => {
  for (const [anonymous, status] of [
    ['none', 401],
    ['pull', 401],
    ['push', 200]
  ] as const) {
    const harness = await startRegistry(t, { anonymous })
    for (const path of ['/v2/', '/v2']) {
      const response = await harness.request(path)
      assert.equal(response.status, status, `${anonymous} ${path}`)
      assert.equal(response.headers.get('docker-distribution-api-version'), 'registry/2.0')
      await response.arrayBuffer()
    }
  }
})

it('gives nothing for what the store has lost', async (t) => {
  const harness = await startRegistry(t)
  const { digest } = await pushImage(harness, 'app', 'v1')
  await harness.store.delete(digest)
  const response = await harness.request('/v2/app/manifests/v1')
  assert.equal(response.status, 404)
  assert.equal(await errorCode(response), 'MANIFEST_UNKNOWN')
})

it('names the methods of a path', async (t) => {
  const harness = await startRegistry(t)
  const response = await harness.request('/v2/app/tags/list', { method: 'DELETE' })
  assert.equal(response.status, 405)
  assert.equal(response.headers.get('allow'), 'GET, HEAD')
  assert.equal(await errorCode(response), 'UNSUPPORTED')
})

it('survives clients that go away in the middle of a blob', async (t) => {
  const harness = await startRegistry(t)
  const digest = await pushBlob(harness, 'app', randomBytes(8 * 1024 * 1024))
  await Promise.all(Array.from({ length: 20 }, async () => await abandon(harness.port, digest)))
  const whole = await harness.request(`/v2/app/blobs/${digest}`)
  assert.equal(digestOf(Buffer.from(await whole.arrayBuffer())), digest)
  assert.deepEqual(
    harness.lines.filter((line) => line.level === 'error'),
    []
  )
})

/** Ask for a blob and hang up after the first bytes of it. */
async function abandon(port: number, digest: Digest): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  socket.once('error', reject)
  socket.once('data', () => socket.destroy())
  socket.once('close', () => resolve())
  socket.write(`GET /v2/app/blobs/${digest} HTTP/1.1\r\nhost: x\r\n\r\n`)
  await promise
}
