import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { it } from 'node:test'
import { MEDIA_TYPES } from '@shoal/oci'
import { BodyMemory, LARGE_BODIES_BYTES, SMALL_BODY_BYTES } from '../src/body-memory.ts'
import { imageManifest, pushBlob, putManifest, startRegistry } from './harness.ts'

const MiB = 1024 * 1024

it('lets large bodies in as far as there is room, in order, and small ones always', async () => {
  const memory = new BodyMemory()
  const begun: string[] = []
  const run = (name: string, bytes: number): { over: Promise<void>; end: () => void } => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const over = memory.using(bytes, async () => {
      begun.push(name)
      await promise
    })
    return { over, end: resolve }
  }
  const settled = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))
  const half = run('half', LARGE_BODIES_BYTES / 2)
  const most = run('most', LARGE_BODIES_BYTES * 2)
  const last = run('last', SMALL_BODY_BYTES + 1)
  const small = run('small', SMALL_BODY_BYTES)
  await settled()
  assert.deepEqual(begun, ['small', 'half'])
  half.end()
  await half.over
  await settled()
  assert.deepEqual(begun, ['small', 'half', 'most'], 'who came first is not passed over')
  most.end()
  await most.over
  await settled()
  assert.deepEqual(begun, ['small', 'half', 'most', 'last'])
  last.end()
  small.end()
  await Promise.all([last.over, small.over])
})

it('gives room back when the work fails', async () => {
  const memory = new BodyMemory()
  for (let i = 0; i < 3; i++) {
    await assert.rejects(
      memory.using(LARGE_BODIES_BYTES, async () => await Promise.reject(new Error('no'))),
      /no/
    )
  }
})

it('clients that stall in the middle of large manifests keep nobody from pushing small ones', async (t) => {
  const harness = await startRegistry(t)
  const config = Buffer.from('{}')
  await pushBlob(harness, 'app', config)
  const headers = { 'content-type': MEDIA_TYPES.ociManifest, 'content-length': 4 * MiB }
  const stalled = Array.from({ length: LARGE_BODIES_BYTES / (4 * MiB) + 5 }, (_, i) => {
    const path = `/v2/app/manifests/stalled-${i}`
    const request = httpRequest({ host: '127.0.0.1', port: harness.port, method: 'PUT', path, headers })
    request.on('error', () => undefined)
    request.write('{')
    return request
  })
  assert.equal((await putManifest(harness, 'app', 'v1', imageManifest(config, []))).status, 201)
  // One that is large waits, and goes on as soon as those are gone.
  const bytes = imageManifest(config, [])
  const large = putManifest(harness, 'app', 'large', Buffer.concat([bytes, Buffer.alloc(MiB, ' ')]))
  for (const request of stalled) request.destroy()
  assert.equal((await large).status, 201)
})
