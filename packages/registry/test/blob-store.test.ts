import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { ContentStore } from '@shoal/content'
import { MemoryBlobStore } from '../src/memory-blob-store.ts'
import { blobStoreContract } from './blob-store-contract.ts'
import { collect } from './gc-harness.ts'
import { pushImage, startRegistry } from './harness.ts'

blobStoreContract('memory', async () => new MemoryBlobStore())

blobStoreContract('content', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-blobs-'))
  const store = await ContentStore.open({ directory })
  t.after(async () => {
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return store
})

it('the registry needs no more than this of a store', async (t) => {
  const store = new MemoryBlobStore()
  const harness = await startRegistry(t, { store })
  const { bytes, digest } = await pushImage(harness, 'app', 'v1')
  const pulled = await harness.request('/v2/app/manifests/v1')
  assert.deepEqual(Buffer.from(await pulled.arrayBuffer()), bytes)
  await harness.request(`/v2/app/manifests/${digest}`, { method: 'DELETE' })
  await collect(harness)
  assert.equal(store.usage.blobs, 0)
})
