import assert from 'node:assert/strict'
import { join } from 'node:path'
import { it } from 'node:test'
import { Level } from 'level'
import { collect } from './gc-harness.ts'
import { pushImage, startRegistry } from './harness.ts'

it('keeps what an earlier version stored from being taken for garbage', async (t) => {
  const harness = await startRegistry(t)
  const { digest } = await pushImage(harness, 'app', 'v1')
  await pushImage(harness, 'app/two', 'v2')
  await harness.registry.stop()
  // What the first version did not have.
  const database = new Level(join(harness.directory, 'metadata'))
  for (const name of ['holdings', 'references', 'users', 'tagged', 'notes', 'leases'])
    await database.sublevel(name).clear()
  await database.close()
  await harness.registry.start()
  assert.deepEqual((await collect(harness, { untagged: true })).removed, {
    tags: 0,
    manifests: 0,
    links: 0,
    blobs: 0,
    bytes: 0
  })
  await harness.request(`/v2/app/manifests/${digest}`, { method: 'DELETE' })
  assert.equal((await collect(harness, { untagged: true })).removed.blobs, 3)
  assert.equal(harness.store.usage.blobs, 3)
})
