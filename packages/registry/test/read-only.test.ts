import assert from 'node:assert/strict'
import { it, type TestContext } from 'node:test'
import { digestOf } from '@shoal/oci'
import { basic, type Harness, json, prepareRegistry, pushImage, startRegistry } from './harness.ts'

async function turn(harness: Harness, body: object): Promise<Response> {
  return await harness.request('/api/v1/read-only', { method: 'PUT', headers: basic(), body: JSON.stringify(body) })
}

async function assertRefused(response: Response, reason: string): Promise<void> {
  assert.equal(response.status, 405)
  const { errors } = await json<{ errors: { code: string; message: string }[] }>(response)
  assert.equal(errors[0]?.code, 'UNSUPPORTED')
  assert.ok(errors[0]?.message.includes(reason), errors[0]?.message)
}

async function begun(t: TestContext): Promise<{ harness: Harness; location: string }> {
  const harness = await startRegistry(t)
  const response = await harness.request('/v2/app/blobs/uploads/', { method: 'POST' })
  const location = response.headers.get('location') ?? ''
  const first = await harness.request(location, { method: 'PATCH', body: 'first ' })
  assert.equal(first.status, 202)
  return { harness, location }
}

it('refuses pushes and deletes with the reason, and serves pulls', async (t) => {
  const harness = await startRegistry(t)
  await pushImage(harness, 'app', 'v1')
  assert.equal((await turn(harness, { readOnly: true, reason: 'new disks' })).status, 200)
  assert.equal((await harness.request('/v2/app/manifests/v1')).status, 200)
  await assertRefused(await harness.request('/v2/app/manifests/v1', { method: 'DELETE' }), 'new disks')
  await assertRefused(await harness.request('/v2/app/blobs/uploads/', { method: 'POST' }), 'new disks')
  await assertRefused(await harness.request('/v2/app/manifests/v2', { method: 'PUT', body: '{}' }), 'new disks')
  assert.match(await harness.metrics.metrics(), /^shoal_registry_read_only 1$/m)
  assert.equal((await turn(harness, { readOnly: false })).status, 200)
  assert.equal((await harness.request('/v2/app/manifests/v1', { method: 'DELETE' })).status, 202)
})

it('keeps uploads that are under way, and the mode over a restart', async (t) => {
  const { harness, location } = await begun(t)
  await turn(harness, { readOnly: true, reason: 'backup' })
  await assertRefused(await harness.request(location, { method: 'PATCH', body: 'second' }), 'backup')
  await harness.registry.stop()
  await harness.registry.start()
  assert.equal(harness.registry.readOnly?.reason, 'backup')
  const digest = digestOf(Buffer.from('first second'))
  const finish = `${location}?digest=${digest}`
  await assertRefused(await harness.request(finish, { method: 'PUT', body: 'second' }), 'backup')
  await turn(harness, { readOnly: false })
  assert.equal((await harness.request(finish, { method: 'PUT', body: 'second' })).status, 201)
})

it('is read-only from the start where it was made so, and writes nothing down of it', async (t) => {
  const harness = await prepareRegistry(t, { readOnly: 'standby' })
  await harness.registry.start()
  await assertRefused(await harness.request('/v2/app/blobs/uploads/', { method: 'POST' }), 'standby')
  assert.equal((await turn(harness, { readOnly: false })).status, 409)
  assert.equal(harness.registry.readOnly?.fixed, true)
})

it('collects no garbage meanwhile', async (t) => {
  const harness = await startRegistry(t)
  await turn(harness, { readOnly: true })
  const gc = async (): Promise<number> =>
    (await harness.request('/api/v1/gc', { method: 'POST', headers: basic() })).status
  assert.equal(await gc(), 409)
  await turn(harness, { readOnly: false })
  assert.equal(await gc(), 202)
})

it('is for the administrator alone', async (t) => {
  const harness = await startRegistry(t)
  assert.equal((await harness.request('/api/v1/read-only', { method: 'PUT', body: '{"readOnly":true}' })).status, 401)
  assert.equal((await turn(harness, { readOnly: 'yes' })).status, 400)
  assert.equal((await turn(harness, { readOnly: true, reason: 'x'.repeat(501) })).status, 400)
  assert.equal(harness.registry.readOnly?.readOnly, false)
})
