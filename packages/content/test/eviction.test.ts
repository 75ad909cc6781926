import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Digest } from '@shoal/oci'
import { Registry } from 'prom-client'
import { ACCESS_TIME_GRANULARITY_MS, type ContentStore, chunkCount } from '../src/index.ts'
import { add, bytesOf, chunkOf, readAll, signedMapOf, temporaryDirectory, temporaryStore } from './support.ts'

const KiB = 1024
const MiB = 1024 * KiB

async function use(store: ContentStore, digest: Digest): Promise<void> {
  await (await store.open(digest))?.close()
}

async function has(store: ContentStore, digests: readonly Digest[]): Promise<boolean[]> {
  return await Promise.all(digests.map(async (digest) => (await store.stat(digest)) !== undefined))
}

test('the blob that was not used for longest goes first', async (t) => {
  const { store } = await temporaryStore(t, { limitBytes: 300 * KiB })
  const removed: Digest[] = []
  store.onRemoved(({ digest }) => removed.push(digest))
  const [a, b, c] = [
    await add(store, bytesOf(100 * KiB, 1)),
    await add(store, bytesOf(100 * KiB, 2)),
    await add(store, bytesOf(100 * KiB, 3))
  ]
  await use(store, a)
  const d = await add(store, bytesOf(150 * KiB, 4))
  assert.deepEqual(await has(store, [a, b, c, d]), [true, false, false, true])
  assert.deepEqual(removed, [b, c])
  assert.deepEqual(store.usage, { bytes: 250 * KiB, blobs: 2, limitBytes: 300 * KiB })
})

test('open blobs and partial blobs in use stay, whatever the limit', async (t) => {
  const { store } = await temporaryStore(t, { limitBytes: 100 * KiB })
  const first = bytesOf(80 * KiB, 1)
  const source = await store.open(await add(store, first))
  assert.ok(source)
  const bytes = bytesOf(2 * MiB)
  const signed = signedMapOf(bytes)
  const partial = await store.partial(signed)
  await partial.put(0, chunkOf(bytes, signed.map, 0))
  for (let seed = 10; seed < 20; seed++) {
    const digest = await add(store, bytesOf(80 * KiB, seed))
    // What was just added is there for whoever added it.
    assert.ok(await store.stat(digest))
  }
  assert.ok(await store.stat(source.digest))
  assert.deepEqual(await readAll(source), first)
  assert.equal(store.usage.blobs, 2)
  for (let i = 1; i < chunkCount(signed.map); i++) await partial.put(i, chunkOf(bytes, signed.map, i))
  assert.equal(partial.complete, true)
  assert.ok(await store.stat(source.digest))
  await source.close()
  await partial.release()
  const last = await add(store, bytesOf(1))
  assert.deepEqual(await has(store, [source.digest, signed.map.digest, last]), [false, false, true])
})

test('a partial blob that nobody uses may go', async (t) => {
  const { store } = await temporaryStore(t, { limitBytes: 300 * KiB })
  const bytes = bytesOf(2 * MiB)
  const signed = signedMapOf(bytes)
  const partial = await store.partial(signed)
  await partial.put(0, chunkOf(bytes, signed.map, 0))
  await partial.release()
  assert.equal(store.usage.bytes, 256 * KiB)
  await add(store, bytesOf(100 * KiB))
  assert.equal(store.usage.bytes, 100 * KiB)
  const again = await store.partial(signed)
  assert.equal(again.have.count, 0)
})

test('the order of use survives a restart', async (t) => {
  const directory = await temporaryDirectory(t)
  let time = 1e12
  const now = (): number => time
  const { store: first } = await temporaryStore(t, { directory, now })
  const digests: Digest[] = []
  for (let seed = 1; seed <= 3; seed++) {
    digests.push(await add(first, bytesOf(100 * KiB, seed)))
    time += 1000
  }
  const [a, b, c] = digests
  assert.ok(a && b && c)
  time += ACCESS_TIME_GRANULARITY_MS
  await use(first, a)
  await first.close()
  const { store } = await temporaryStore(t, { directory, now, limitBytes: 200 * KiB })
  assert.deepEqual(await has(store, [a, b, c]), [true, false, true])
})

test('the metrics tell what is on disk and what was evicted', async (t) => {
  const metrics = new Registry()
  const { store } = await temporaryStore(t, { limitBytes: 150 * KiB, metrics })
  await add(store, bytesOf(100 * KiB, 1))
  await add(store, bytesOf(70 * KiB, 2))
  const text = await metrics.metrics()
  assert.match(text, new RegExp(`^shoal_store_bytes ${70 * KiB}$`, 'm'))
  assert.match(text, new RegExp(`^shoal_store_evicted_bytes_total ${100 * KiB}$`, 'm'))
})
