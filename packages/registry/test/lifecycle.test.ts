import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { prepareRegistry, pushImage, startRegistry } from './harness.ts'

it('starts and stops in any order and more than once', async (t) => {
  const { registry } = await startRegistry(t)
  await registry.start()
  assert.equal(registry.ready(), true)
  await Promise.all([registry.stop(), registry.start(), registry.stop(), registry.stop()])
  assert.equal(registry.ready(), false)
  assert.deepEqual(await registry.status(), { repositories: 0, uploads: 0 })
  await registry.start()
  assert.equal(registry.ready(), true)
})

it('serves after a restart what was pushed before', async (t) => {
  const harness = await startRegistry(t)
  const { bytes } = await pushImage(harness, 'app', 'v1')
  await harness.registry.stop()
  await harness.registry.start()
  const response = await fetch(`http://127.0.0.1:${harness.registry.address.port}/v2/app/manifests/v1`)
  assert.deepEqual(Buffer.from(await response.arrayBuffer()), bytes)
  assert.deepEqual(await harness.registry.status(), { repositories: 1, uploads: 0 })
})

it('says when it cannot listen, and can be started later', async (t) => {
  const blocker = createServer()
  await new Promise<void>((resolve) => blocker.listen(0, '127.0.0.1', resolve))
  const free = async (): Promise<void> => await new Promise((resolve) => blocker.close(() => resolve()))
  t.after(free)
  const taken = blocker.address()
  assert.ok(typeof taken === 'object' && taken !== null)
  const listen = { host: '127.0.0.1', port: taken.port }
  const { registry } = await prepareRegistry(t, { listen })
  await assert.rejects(registry.start(), { code: 'EADDRINUSE' })
  assert.equal(registry.ready(), false)
  assert.deepEqual(registry.address, listen)
  await free()
  await registry.start()
  assert.equal(registry.ready(), true)
})

it('goes on after a restart with the uploads that were begun', async (t) => {
  const harness = await startRegistry(t)
  const bytes = Buffer.from('bytes in two parts')
  const begun = await harness.request('/v2/app/blobs/uploads/', { method: 'POST' })
  const location = begun.headers.get('location') ?? ''
  await harness.request(location, { method: 'PATCH', body: bytes.subarray(0, 8) })
  const empty = await harness.request('/v2/app/blobs/uploads/?digest-algorithm=sha512', { method: 'POST' })
  await harness.registry.stop()
  assert.equal((await harness.registry.status()).uploads, 0)
  await harness.registry.start()
  assert.equal((await harness.registry.status()).uploads, 2)
  const status = await harness.request(location)
  assert.equal(status.status, 204)
  assert.equal(status.headers.get('range'), '0-7')
  const put = await harness.request(`${location}?digest=${digestOf(bytes)}`, {
    method: 'PUT',
    body: bytes.subarray(8),
    headers: { 'content-range': `8-${bytes.length - 1}` }
  })
  assert.equal(put.status, 201)
  const long = digestOf(bytes, 'sha512')
  const whole = `${empty.headers.get('location')}?digest=${long}`
  assert.equal((await harness.request(whole, { method: 'PUT', body: bytes })).status, 201)
  await harness.registry.stop()
  await harness.registry.start()
  assert.equal((await harness.registry.status()).uploads, 0)
})

it('drops bytes of uploads that nobody knows', async (t) => {
  const harness = await prepareRegistry(t)
  const ingest = await harness.store.ingest({ id: 'nobody-knows' })
  await ingest.suspend()
  assert.equal((await harness.store.pendingIngests()).length, 1)
  await harness.registry.start()
  assert.equal((await harness.store.pendingIngests()).length, 0)
})

it('counts requests and uploads', async (t) => {
  const harness = await startRegistry(t)
  await harness.request('/v2/app/blobs/uploads/', { method: 'POST' })
  await (await harness.request('/v2/none/tags/list')).text()
  await harness.registry.stop()
  await harness.registry.start()
  const text = await harness.metrics.metrics()
  assert.match(text, /shoal_registry_requests_total\{method="GET",status="4xx"\} 1/)
  assert.match(text, /shoal_registry_requests_total\{method="POST",status="2xx"\} 1/)
  assert.match(text, /shoal_registry_uploads 1/)
})
