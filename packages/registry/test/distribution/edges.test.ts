import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { request as httpRequest } from 'node:http'
import { it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import { UPLOADS_MAX } from '../../src/uploads.ts'
import { copy, errorCode, imageManifest, json, pushBlob, pushImage, putManifest, startRegistry } from '../harness.ts'
import { describes, sample } from './manifest-kinds.ts'
import { beginUpload, endUpload, locationOf, sendChunk, withQuery } from './pushing.ts'

const NAME = 'conformance/edges'

it('end-2, end-3: HEAD answers as GET does, without a body, where there is nothing as well', async (t) => {
  const harness = await startRegistry(t)
  const { digest } = await pushImage(harness, NAME, 'v1')
  const missing = digestOf(Buffer.from('missing'))
  for (const path of [
    `/v2/${NAME}/manifests/v1`,
    `/v2/${NAME}/manifests/${digest}`,
    `/v2/${NAME}/manifests/none`,
    `/v2/${NAME}/manifests/${missing}`,
    `/v2/${NAME}/blobs/${missing}`,
    `/v2/${NAME}/blobs/sha256:12`,
    `/v2/${NAME}/tags/list`,
    `/v2/${NAME}/referrers/${digest}`,
    '/v2/none/tags/list'
  ]) {
    const get = await harness.request(path)
    await get.arrayBuffer()
    const head = await harness.request(path, { method: 'HEAD' })
    assert.equal(head.status, get.status, path)
    assert.equal((await head.arrayBuffer()).byteLength, 0, path)
    for (const name of ['content-type', 'content-length', 'docker-content-digest']) {
      assert.equal(head.headers.get(name), get.headers.get(name), `${path}: ${name}`)
    }
  }
})

it('end-2: what is no range that we know is answered with all of the blob', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(1000)
  const digest = await pushBlob(harness, NAME, bytes)
  // Several ranges may be answered as none (RFC 9110, 14.2).
  for (const range of ['bytes=0-1,4-5', 'items=0-1', 'bytes=a-b', 'bytes', '']) {
    const response = await harness.request(`/v2/${NAME}/blobs/${digest}`, { headers: { range } })
    assert.equal(response.status, 200, range)
    assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes, range)
  }
  const empty = await pushBlob(harness, NAME, Buffer.alloc(0))
  for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-1']) {
    const response = await harness.request(`/v2/${NAME}/blobs/${empty}`, { headers: { range } })
    assert.equal(response.status, 416, range)
    assert.equal(response.headers.get('content-range'), 'bytes */0', range)
    await response.arrayBuffer()
  }
})

it('end-3: names that cannot be are refused on every endpoint', async (t) => {
  const harness = await startRegistry(t)
  const digest = digestOf(Buffer.from('x'))
  for (const name of ['App', 'a//b', 'a_', '-a', 'a/.b', 'a..b', 'a___b', 'a'.repeat(256), 'ä']) {
    for (const [method, path] of [
      ['GET', `/v2/${name}/manifests/v1`],
      ['PUT', `/v2/${name}/manifests/v1`],
      ['DELETE', `/v2/${name}/manifests/v1`],
      ['GET', `/v2/${name}/blobs/${digest}`],
      ['DELETE', `/v2/${name}/blobs/${digest}`],
      ['POST', `/v2/${name}/blobs/uploads/`],
      ['PATCH', `/v2/${name}/blobs/uploads/some`],
      ['GET', `/v2/${name}/tags/list`],
      ['GET', `/v2/${name}/referrers/${digest}`]
    ]) {
      const response = await harness.request(path ?? '', { method: method ?? '' })
      assert.equal(response.status, 400, `${method} ${path}`)
      assert.equal(await errorCode(response), 'NAME_INVALID', `${method} ${path}`)
    }
  }
})

it('end-3: a tag that cannot be is unknown, and cannot be pushed', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, NAME, 'v1')
  const manifest = imageManifest(Buffer.from('{}'), [])
  for (const tag of ['.v1', '-v1', 'v+1', 'v'.repeat(129)]) {
    for (const method of ['GET', 'DELETE']) {
      const response = await harness.request(`/v2/${NAME}/manifests/${tag}`, { method })
      assert.equal(response.status, 404, `${method} ${tag}`)
      assert.equal(await errorCode(response), 'MANIFEST_UNKNOWN', `${method} ${tag}`)
    }
    const put = await putManifest(harness, NAME, tag, manifest)
    assert.equal(put.status, 400, tag)
    assert.equal(await errorCode(put), 'MANIFEST_INVALID', tag)
  }
  const longest = 'v'.repeat(128)
  assert.equal((await putManifest(harness, NAME, longest, manifest)).status, 201)
  assert.equal((await harness.request(`/v2/${NAME}/manifests/${longest}`, { method: 'HEAD' })).status, 200)
})

it('end-4c: an algorithm that is announced binds nobody to it', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(1000)
  for (const [announced, used] of [
    ['sha512', 'sha256'],
    ['sha256', 'sha512']
  ] as const) {
    const location = await beginUpload(harness, NAME, `?digest-algorithm=${announced}`)
    assert.equal((await endUpload(harness, location, digestOf(bytes, used), bytes)).status, 201)
  }
})

it('end-5, end-6, end-13: every answer says where the upload goes on', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(3000)
  const begun = await harness.request(`/v2/${NAME}/blobs/uploads/`, { method: 'POST' })
  const location = locationOf(begun)
  const chunk = await sendChunk(harness, location, bytes, 0, 2000)
  const status = await harness.request(location)
  for (const [response, code] of [
    [begun, 202],
    [chunk, 202],
    [status, 204]
  ] as const) {
    assert.equal(response.status, code)
    assert.ok(locationOf(response).startsWith(`/v2/${NAME}/blobs/uploads/`))
    assert.ok(response.headers.get('docker-upload-uuid'))
  }
  assert.equal(chunk.headers.get('range'), '0-1999')
  assert.equal(status.headers.get('range'), '0-1999')
  const put = await endUpload(harness, locationOf(status), digestOf(bytes), bytes.subarray(2000), {
    'content-range': '2000-2999'
  })
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('range'), null)
  assert.equal(locationOf(put), `/v2/${NAME}/blobs/${digestOf(bytes)}`)
  // The upload is over: what a client does that missed the answer tells it so, and it finds the blob with HEAD.
  assert.equal((await endUpload(harness, location, digestOf(bytes))).status, 404)
})

it('end-6: a last chunk may be streamed, and its digest be written with escapes', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(3000)
  const location = await beginUpload(harness, NAME)
  const body = ReadableStream.from([bytes.subarray(0, 10), bytes.subarray(10)])
  const path = `${location}?digest=${encodeURIComponent(digestOf(bytes))}`
  const put = await harness.request(path, { method: 'PUT', body, duplex: 'half' })
  assert.equal(put.status, 201)
  const get = await harness.request(locationOf(put))
  assert.deepEqual(Buffer.from(await get.arrayBuffer()), bytes)
})

it('end-5: a client that waits for "100 Continue" gets it', async (t) => {
  const harness = await startRegistry(t)
  const bytes = randomBytes(1000)
  const ask = async (path: string): Promise<{ continued: boolean; status: number | undefined }> => {
    const headers = { expect: '100-continue', 'content-length': bytes.length }
    const asked = httpRequest({ host: '127.0.0.1', port: harness.port, method: 'PATCH', path, headers })
    let continued = false
    asked.on('continue', () => {
      continued = true
      asked.end(bytes)
    })
    asked.flushHeaders()
    return await new Promise((resolve, reject) => {
      asked.on('error', reject)
      asked.on('response', (response) => {
        response.resume()
        resolve({ continued, status: response.statusCode })
        asked.destroy()
      })
    })
  }
  assert.deepEqual(await ask(await beginUpload(harness, NAME)), { continued: true, status: 202 })
})

it('end-4a: too many uploads are refused with the time to wait', async (t) => {
  const harness = await startRegistry(t)
  for (let i = 0; i < UPLOADS_MAX; i++) await beginUpload(harness, NAME)
  const refused = await harness.request(`/v2/${NAME}/blobs/uploads/`, { method: 'POST' })
  assert.equal(refused.status, 429)
  assert.match(refused.headers.get('retry-after') ?? '', /^\d+$/)
  assert.equal(await errorCode(refused), 'TOOMANYREQUESTS')
})

it('end-7: the type of a manifest is what its content type says, and both agree', async (t) => {
  const harness = await startRegistry(t)
  const config = Buffer.from('{}')
  await pushBlob(harness, NAME, config)
  const bytes = imageManifest(config, [])
  const put = async (headers: Record<string, string>): Promise<Response> =>
    await harness.request(`/v2/${NAME}/manifests/typed`, { method: 'PUT', body: copy(bytes), headers })
  assert.equal((await put({ 'content-type': `${MEDIA_TYPES.ociManifest}; charset=utf-8` })).status, 201)
  const get = await harness.request(`/v2/${NAME}/manifests/typed`)
  assert.equal(get.headers.get('content-type'), MEDIA_TYPES.ociManifest)
  await get.arrayBuffer()
  const wrong = await put({ 'content-type': MEDIA_TYPES.ociIndex })
  assert.equal(wrong.status, 400)
  assert.equal(await errorCode(wrong), 'MANIFEST_INVALID')
})

it('end-7, end-9: a tag that moved leaves what it named, and a digest that is deleted takes its tags', async (t) => {
  const harness = await startRegistry(t)
  const first = await pushImage(harness, NAME, 'v1')
  const second = await pushImage(harness, NAME, 'v2')
  assert.equal((await putManifest(harness, NAME, 'v1', second.bytes)).status, 201)
  assert.equal((await harness.request(`/v2/${NAME}/manifests/${first.digest}`, { method: 'HEAD' })).status, 200)
  assert.equal((await harness.request(`/v2/${NAME}/manifests/${second.digest}`, { method: 'DELETE' })).status, 202)
  for (const tag of ['v1', 'v2']) assert.equal((await harness.request(`/v2/${NAME}/manifests/${tag}`)).status, 404, tag)
  assert.deepEqual(await json(await harness.request(`/v2/${NAME}/tags/list`)), { name: NAME, tags: [] })
})

it('end-9, end-10: a delete is of one repository', async (t) => {
  const harness = await startRegistry(t)
  const { digest } = await pushImage(harness, NAME, 'v1')
  const other = `${NAME}/other`
  const blob = await pushBlob(harness, NAME, Buffer.from('shared'))
  await pushBlob(harness, other, Buffer.from('shared'))
  for (const path of [`manifests/${digest}`, 'manifests/v1']) {
    assert.equal((await harness.request(`/v2/${other}/${path}`, { method: 'DELETE' })).status, 404, path)
  }
  assert.equal((await harness.request(`/v2/${other}/blobs/${blob}`, { method: 'DELETE' })).status, 202)
  assert.equal((await harness.request(`/v2/${NAME}/blobs/${blob}`, { method: 'HEAD' })).status, 200)
  assert.equal((await harness.request(`/v2/${NAME}/manifests/v1`, { method: 'HEAD' })).status, 200)
})

it('end-8: the page size is a number, however large', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, NAME, 'v1')
  for (const n of ['1', '999999999999999999999', '01']) {
    const response = await harness.request(`/v2/${NAME}/tags/list?n=${n}`)
    assert.equal(response.headers.get('link'), null, n)
    assert.deepEqual(await json(response), { name: NAME, tags: ['v1'] }, n)
  }
  for (const n of ['-1', '1.5', 'x', '']) {
    const response = await harness.request(`/v2/${NAME}/tags/list?n=${n}`)
    assert.equal(response.status, 400, n)
    assert.equal(await errorCode(response), 'UNSUPPORTED', n)
  }
})

it('end-12: a referrer is listed where it is, as long as it is there', async (t) => {
  const harness = await startRegistry(t)
  const subject = describes(MEDIA_TYPES.ociManifest, Buffer.from('subject'), 'sha256')
  const list = async (name: string): Promise<object[]> => {
    const response = await harness.request(`/v2/${name}/referrers/${subject.digest}`)
    assert.equal(response.status, 200)
    assert.equal(response.headers.get('content-type'), MEDIA_TYPES.ociIndex)
    assert.equal(response.headers.get('oci-filters-applied'), null)
    return (await json<{ manifests: object[] }>(response)).manifests
  }
  assert.deepEqual(await list('never/seen'), [])
  // An index without an artifact type has none in the list; an image has that of its config.
  const index = sample({ manifests: [], subject })
  const indexDigest = digestOf(index.bytes)
  assert.equal((await putManifest(harness, NAME, indexDigest, index.bytes, index.mediaType)).status, 201)
  const expected = { mediaType: MEDIA_TYPES.ociIndex, digest: indexDigest, size: index.bytes.length }
  assert.deepEqual(await list(NAME), [expected])
  assert.deepEqual(await list(`${NAME}/other`), [])
  const filtered = await harness.request(`/v2/${NAME}/referrers/${subject.digest}?artifactType=application/none`)
  assert.equal(filtered.headers.get('oci-filters-applied'), 'artifactType')
  assert.deepEqual((await json<{ manifests: object[] }>(filtered)).manifests, [])
  const config = Buffer.from('{}')
  await pushBlob(harness, NAME, config)
  const image = imageManifest(config, [], { subject })
  const put = await putManifest(harness, NAME, 'signature', image)
  assert.equal(put.headers.get('oci-subject'), subject.digest)
  assert.equal((await list(NAME)).length, 2)
  assert.equal((await harness.request(`/v2/${NAME}/manifests/signature`, { method: 'DELETE' })).status, 202)
  assert.equal((await list(NAME)).length, 2, 'the tag is gone, the manifest is not')
  for (const digest of [digestOf(image), indexDigest]) {
    assert.equal((await harness.request(`/v2/${NAME}/manifests/${digest}`, { method: 'DELETE' })).status, 202)
  }
  assert.deepEqual(await list(NAME), [])
})

it('a path with a slash too many, and a method that nobody knows, are refused in the envelope', async (t) => {
  const harness = await startRegistry(t)
  const { digest } = await pushImage(harness, NAME, 'v1')
  for (const path of [
    `/v2/${NAME}/tags/list/`,
    `/v2/${NAME}/manifests/`,
    `/v2/${NAME}/blobs/${digest}/more`,
    '/v2//'
  ]) {
    const response = await harness.request(path)
    assert.ok(response.status === 404 || response.status === 400, `${path}: ${response.status}`)
    assert.match(await errorCode(response), /^(UNSUPPORTED|NAME_INVALID)$/, path)
  }
  const location = await beginUpload(harness, NAME)
  const post = await harness.request(withQuery(location, 'digest', digest), { method: 'POST' })
  assert.equal(post.status, 405)
  assert.equal(post.headers.get('allow'), 'GET, PATCH, PUT, DELETE')
  assert.equal(await errorCode(post), 'UNSUPPORTED')
})
