import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { stat } from 'node:fs/promises'
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http'
import { join } from 'node:path'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { digestOf } from '@shoal/oci'
import { copy, errorCode, type Harness, pushBlob, startRegistry } from './harness.ts'

const bytes = randomBytes(300_000)
const digest = digestOf(bytes)
const big = randomBytes(4 * 1024 * 1024)
const bigDigest = digestOf(big)

/** Begin an upload and give its location. */
async function begin({ request }: Harness, name = 'app'): Promise<string> {
  const response = await request(`/v2/${name}/blobs/uploads/`, { method: 'POST' })
  assert.equal(response.status, 202)
  const location = response.headers.get('location')
  assert.match(location ?? '', new RegExp(`^/v2/${name}/blobs/uploads/.+`))
  return location ?? ''
}

async function patch(
  { request }: Harness,
  location: string,
  start: number,
  end: number,
  range = `${start}-${end - 1}`
): Promise<Response> {
  const headers = { 'content-range': range, 'content-type': 'application/octet-stream' }
  return await request(location, { method: 'PATCH', body: copy(bytes.subarray(start, end)), headers })
}

async function assertPulled({ request }: Harness, name: string, expected: Uint8Array): Promise<void> {
  const response = await request(`/v2/${name}/blobs/${digestOf(expected)}`)
  assert.equal(response.status, 200)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), Buffer.from(expected))
}

async function assertNothingStored({ store, request, announced }: Harness): Promise<void> {
  assert.equal(store.usage.blobs, 0)
  assert.deepEqual(announced, [])
  assert.equal((await request(`/v2/app/blobs/${digest}`, { method: 'HEAD' })).status, 404)
}

it('takes a blob in POST and PUT', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const put = await harness.request(`${location}?digest=${digest}`, { method: 'PUT', body: copy(bytes) })
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('location'), `/v2/app/blobs/${digest}`)
  assert.equal(put.headers.get('docker-content-digest'), digest)
  assert.deepEqual(harness.announced, [digest])
  await assertPulled(harness, 'app', bytes)
  const over = await harness.request(location)
  assert.equal(over.status, 404)
  assert.equal(await errorCode(over), 'BLOB_UPLOAD_UNKNOWN')
})

it('takes a blob in one POST, and a second time without announcing it again', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', bytes)
  await pushBlob(harness, 'other', bytes)
  assert.deepEqual(harness.announced, [digest])
  await assertPulled(harness, 'other', bytes)
  assert.equal((await harness.registry.status()).uploads, 0)
})

it('takes a blob in chunks, the last one with the PUT', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const first = await patch(harness, location, 0, 100_000)
  assert.equal(first.status, 202)
  assert.equal(first.headers.get('range'), '0-99999')
  assert.equal(first.headers.get('location'), location)
  assert.equal((await patch(harness, location, 100_000, 200_000)).headers.get('range'), '0-199999')
  const status = await harness.request(location)
  assert.equal(status.status, 204)
  assert.equal(status.headers.get('range'), '0-199999')
  assert.equal(status.headers.get('location'), location)
  const put = await harness.request(`${location}?digest=${digest}`, {
    method: 'PUT',
    body: copy(bytes.subarray(200_000)),
    headers: { 'content-range': '200000-299999' }
  })
  assert.equal(put.status, 201)
  assert.equal(put.headers.get('range'), null)
  await assertPulled(harness, 'app', bytes)
})

it('takes a blob streamed without any length', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const body = ReadableStream.from([bytes.subarray(0, 10), bytes.subarray(10, 70_000), bytes.subarray(70_000)])
  const sent = await harness.request(location, { method: 'PATCH', body, duplex: 'half' })
  assert.equal(sent.headers.get('range'), '0-299999')
  const put = await harness.request(`${location}?digest=${digest}`, { method: 'PUT' })
  assert.equal(put.status, 201)
  await assertPulled(harness, 'app', bytes)
})

it('refuses a chunk out of order, in PATCH and in PUT, and goes on', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  assert.equal((await patch(harness, location, 100, 200)).status, 416)
  assert.equal((await patch(harness, location, 0, 100_000)).status, 202)
  for (const [method, start] of [
    ['PATCH', 100_001],
    ['PATCH', 99_999],
    ['PATCH', 0],
    ['PUT', 200_000]
  ] as const) {
    const wrong = await harness.request(`${location}?digest=${digest}`, {
      method,
      body: copy(bytes.subarray(start)),
      headers: { 'content-range': `${start}-299999` }
    })
    assert.equal(wrong.status, 416, `${method} ${start}`)
    assert.equal(wrong.headers.get('range'), '0-99999')
    assert.equal(wrong.headers.get('location'), location)
    assert.equal(await errorCode(wrong), 'BLOB_UPLOAD_INVALID')
  }
  assert.equal((await harness.request(location)).headers.get('range'), '0-99999')
  assert.equal((await patch(harness, location, 100_000, 300_000)).status, 202)
  const put = await harness.request(`${location}?digest=${digest}`, { method: 'PUT' })
  assert.equal(put.status, 201)
  await assertPulled(harness, 'app', bytes)
})

it('refuses a chunk that is not as long as it says', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const wrong = await patch(harness, location, 0, 100, '0-199')
  assert.equal(wrong.status, 400)
  assert.equal(await errorCode(wrong), 'SIZE_INVALID')
  for (const range of ['bytes 0-99/100', '5-1', 'x', '-5']) {
    const malformed = await patch(harness, location, 0, 100, range)
    assert.equal(malformed.status, 400, range)
    assert.equal(await errorCode(malformed), 'BLOB_UPLOAD_INVALID', range)
  }
  assert.equal((await patch(harness, location, 0, 100)).status, 202)
  const longer = await harness.request(location, {
    method: 'PATCH',
    body: ReadableStream.from([bytes.subarray(100, 300)]),
    headers: { 'content-range': '100-199' },
    duplex: 'half'
  })
  assert.equal(longer.status, 400)
  assert.equal(await errorCode(longer), 'SIZE_INVALID')
})

it('stores nothing when the digest is another, on every way in', async (t) => {
  const harness = await startRegistry(t)
  const wrong = digestOf(Buffer.from('something else'))
  const body = copy(bytes)
  const put = await harness.request(`${await begin(harness)}?digest=${wrong}`, { method: 'PUT', body })
  const post = await harness.request(`/v2/app/blobs/uploads/?digest=${wrong}`, { method: 'POST', body })
  const location = await begin(harness)
  await patch(harness, location, 0, 300_000)
  const chunked = await harness.request(`${location}?digest=${wrong}`, { method: 'PUT' })
  for (const response of [put, post, chunked]) {
    assert.equal(response.status, 400)
    assert.equal(await errorCode(response), 'DIGEST_INVALID')
  }
  await assertNothingStored(harness)
  assert.equal((await harness.registry.status()).uploads, 0)
})

it('keeps an upload whose PUT names no digest or a malformed one', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  await patch(harness, location, 0, 300_000)
  for (const query of ['', '?digest=', '?digest=sha256:12', '?digest=md5:d41d8cd98f00b204e9800998ecf8427e']) {
    const response = await harness.request(`${location}${query}`, { method: 'PUT' })
    assert.equal(response.status, 400, query)
    assert.equal(await errorCode(response), 'DIGEST_INVALID', query)
  }
  assert.equal((await harness.request(`${location}?digest=${digest}`, { method: 'PUT' })).status, 201)
})

it('takes an empty blob on every way in', async (t) => {
  const empty = Buffer.alloc(0)
  const emptyDigest = digestOf(empty)
  const ways = {
    post: async ({ request }: Harness) =>
      await request(`/v2/app/blobs/uploads/?digest=${emptyDigest}`, { method: 'POST' }),
    put: async (harness: Harness) =>
      await harness.request(`${await begin(harness)}?digest=${emptyDigest}`, { method: 'PUT' }),
    patch: async (harness: Harness) => {
      const location = await begin(harness)
      assert.equal((await harness.request(location, { method: 'PATCH' })).status, 202)
      return await harness.request(`${location}?digest=${emptyDigest}`, { method: 'PUT' })
    }
  }
  for (const [name, way] of Object.entries(ways)) {
    const harness = await startRegistry(t)
    assert.equal((await way(harness)).status, 201, name)
    await assertPulled(harness, 'app', empty)
    const head = await harness.request(`/v2/app/blobs/${emptyDigest}`, { method: 'HEAD' })
    assert.equal(head.headers.get('content-length'), '0', name)
  }
})

it('takes a blob with a sha512 digest, announced before or not', async (t) => {
  const harness = await startRegistry(t)
  const long = digestOf(bytes, 'sha512')
  const body = copy(bytes)
  const post = await harness.request(`/v2/one/blobs/uploads/?digest=${long}`, { method: 'POST', body })
  assert.equal(post.status, 201)
  const put = await harness.request(`${await begin(harness, 'two')}?digest=${long}`, { method: 'PUT', body })
  assert.equal(put.status, 201)
  const get = await harness.request(`/v2/two/blobs/${long}`)
  assert.equal(digestOf(Buffer.from(await get.arrayBuffer()), 'sha512'), long)
})

it('mounts a blob from a repository that has it, and begins an upload otherwise', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'base', bytes)
  const mount = async (query: string): Promise<Response> =>
    await harness.request(`/v2/app/blobs/uploads/?${query}`, { method: 'POST' })
  const missing = digestOf(Buffer.from('missing'))
  for (const query of [
    `mount=${missing}`,
    `mount=${digest}&from=other`,
    `mount=${missing}&from=base`,
    `mount=${digest}&from=../x`
  ]) {
    const response = await mount(query)
    assert.equal(response.status, 202, query)
    assert.match(response.headers.get('location') ?? '', /^\/v2\/app\/blobs\/uploads\//, query)
  }
  const mounted = await mount(`mount=${digest}&from=base`)
  assert.equal(mounted.status, 201)
  assert.equal(mounted.headers.get('location'), `/v2/app/blobs/${digest}`)
  assert.equal(mounted.headers.get('docker-content-digest'), digest)
  await assertPulled(harness, 'app', bytes)
  assert.deepEqual(harness.announced, [digest])
})

it('cancels an upload', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  await patch(harness, location, 0, 100)
  assert.equal((await harness.request(location, { method: 'DELETE' })).status, 204)
  for (const method of ['GET', 'DELETE', 'PATCH', 'PUT']) {
    const response = await harness.request(`${location}?digest=${digest}`, { method })
    assert.equal(response.status, 404, method)
    assert.equal(await errorCode(response), 'BLOB_UPLOAD_UNKNOWN', method)
  }
})

it('does not let one repository go on with the upload of another', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness, 'app')
  const response = await patch(harness, location.replace('/app/', '/other/'), 0, 100)
  assert.equal(response.status, 404)
  assert.equal(await errorCode(response), 'BLOB_UPLOAD_UNKNOWN')
})

it('unlinks a blob and keeps it for the others', async (t) => {
  const harness = await startRegistry(t)
  await pushBlob(harness, 'app', bytes)
  await pushBlob(harness, 'other', bytes)
  const remove = async (): Promise<Response> => await harness.request(`/v2/app/blobs/${digest}`, { method: 'DELETE' })
  assert.equal((await remove()).status, 202)
  const again = await remove()
  assert.equal(again.status, 404)
  assert.equal(await errorCode(again), 'BLOB_UNKNOWN')
  await assertPulled(harness, 'other', bytes)
})

for (const method of ['PATCH', 'PUT']) {
  it(`keeps what came before a client went away in the middle of ${method}, and lets it go on`, async (t) => {
    const harness = await startRegistry(t)
    const location = await begin(harness)
    const broken = await sendPart(harness, `${location}?digest=${bigDigest}`, method, big.subarray(0, 3_000_000))
    // Some of it is taken in before the connection breaks.
    while ((await harness.request(location)).headers.get('range') === '0-0') await setImmediate()
    broken.destroy()
    // A chunk in the wrong place is told the right one, once what came of the broken one is taken in.
    const told = await harness.request(location, { method: 'PATCH', headers: { 'content-range': '9999999-9999999' } })
    assert.equal(told.status, 416)
    const received = Number(told.headers.get('range')?.split('-')[1]) + 1
    assert.ok(received > 1 && received <= 3_000_000, `${received} of the 3000000 bytes sent`)
    const rest = copy(big.subarray(received))
    const put = await harness.request(`${location}?digest=${bigDigest}`, {
      method: 'PUT',
      body: rest,
      headers: { 'content-range': `${received}-${big.length - 1}` }
    })
    assert.equal(put.status, 201)
    await assertPulled(harness, 'app', big)
  })
}

it('lets a client go on whose broken connection was not noticed yet', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const first = await sendPart(harness, location, 'PATCH', bytes.subarray(0, 100))
  const answered = once(first, 'response')
  const next = await harness.request(location, { method: 'PATCH', headers: { 'content-range': '5-9' } })
  assert.equal(next.status, 416)
  const [response]: IncomingMessage[] = await answered
  assert.equal(response?.statusCode, 409)
  first.destroy()
})

it('keeps to what it told of how far an upload is, when the client comes back on a new connection', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const first = await sendPart(harness, location, 'PATCH', big.subarray(0, 1_500_000))
  t.after(() => first.destroy())
  let told = '0-0'
  // The store takes in whole buffers: of the last one, only a part comes.
  while (told === '0-0') {
    await setImmediate()
    told = (await harness.request(location)).headers.get('range') ?? ''
  }
  const start = Number(told.split('-')[1]) + 1
  assert.ok(start < 1_500_000, told)
  const next = await harness.request(location, {
    method: 'PATCH',
    body: copy(big.subarray(start)),
    headers: { 'content-range': `${start}-${big.length - 1}` }
  })
  assert.equal(next.status, 202)
  assert.equal((await harness.request(`${location}?digest=${bigDigest}`, { method: 'PUT' })).status, 201)
  await assertPulled(harness, 'app', big)
})

it('… also when what had come until the connection broke was written after that', async (t) => {
  const harness = await startRegistry(t)
  const location = await begin(harness)
  const first = await sendPart(harness, location, 'PATCH', big.subarray(0, 1_500_000))
  let told = '0-0'
  while (told === '0-0') {
    await setImmediate()
    told = (await harness.request(location)).headers.get('range') ?? ''
  }
  const start = Number(told.split('-')[1]) + 1
  assert.ok(start < 1_500_000, told)
  first.destroy()
  const file = join(harness.directory, 'content', 'uploads', location.split('/').at(-1) ?? '')
  while ((await stat(file)).size <= start) await setImmediate()
  const next = await harness.request(location, {
    method: 'PATCH',
    body: copy(big.subarray(start)),
    headers: { 'content-range': `${start}-${big.length - 1}` }
  })
  assert.equal(next.status, 202)
  // What was answered stands: it is not gone back to a second time.
  assert.equal((await patch(harness, location, start, big.length)).status, 416)
  assert.equal((await harness.request(`${location}?digest=${bigDigest}`, { method: 'PUT' })).status, 201)
  await assertPulled(harness, 'app', big)
})

/** Send the beginning of a body once the registry has the head of the request, and leave the request open. */
async function sendPart({ port }: Harness, path: string, method: string, part: Uint8Array): Promise<ClientRequest> {
  const headers = { 'content-length': big.length, expect: '100-continue' }
  const request = httpRequest({ host: '127.0.0.1', port, path, method, headers })
  // It is broken off on purpose.
  request.on('error', () => undefined)
  request.flushHeaders()
  await once(request, 'continue')
  request.write(part)
  return request
}
