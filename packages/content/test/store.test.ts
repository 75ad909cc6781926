import assert from 'node:assert/strict'
import { mkdir, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Digest } from '@shoal/oci'
import { digestHex, digestOf } from '@shoal/oci'
import { ContentStore, equalChunkMaps, verifySegment } from '../src/index.ts'
import {
  add,
  bytesOf,
  KEYS,
  mapOf,
  readAll,
  readBlob,
  signedMapOf,
  temporaryDirectory,
  temporaryStore
} from './support.ts'

const MiB = 1024 * 1024

function blobPath(directory: string, digest: Digest): string {
  const hex = digestHex(digest)
  return join(directory, 'blobs', 'sha256', hex.slice(0, 2), hex)
}

async function listed(store: ContentStore): Promise<string[]> {
  const digests: string[] = []
  for await (const { digest } of store.list()) digests.push(digest)
  return digests.sort()
}

test('a store finds everything again', async (t) => {
  const directory = await temporaryDirectory(t)
  const blobs = [bytesOf(10), bytesOf(2 * MiB), bytesOf(0)]
  const first = await ContentStore.open({ directory, signer: KEYS.privateKey })
  for (const bytes of blobs) await add(first, bytes)
  const usage = first.usage
  assert.deepEqual(usage, { bytes: 10 + 2 * MiB, blobs: 3 })
  await first.close()
  await first.close()
  const { store } = await temporaryStore(t, { directory })
  assert.deepEqual(store.usage, usage)
  assert.deepEqual(await listed(store), blobs.map((bytes) => digestOf(bytes)).sort())
  for (const bytes of blobs) assert.deepEqual(await readBlob(store, digestOf(bytes)), bytes)
  assert.ok(await store.chunkMap(digestOf(blobs[1] ?? Buffer.of())))
})

test('an unknown blob is not there', async (t) => {
  const { store } = await temporaryStore(t)
  const digest = digestOf(bytesOf(1))
  assert.equal(await store.stat(digest), undefined)
  assert.equal(await store.open(digest), undefined)
  assert.equal(await store.chunkMap(digest), undefined)
  assert.equal(store.findPartial(digest), undefined)
  assert.equal(await store.delete(digest), false)
})

test('only one process may have a store open', async (t) => {
  const { directory } = await temporaryStore(t)
  await assert.rejects(ContentStore.open({ directory }), { name: 'StoreLockedError', code: 'STORE_LOCKED' })
})

test('a deleted blob is gone at once and for ever, but its readers go on', async (t) => {
  const { store, directory } = await temporaryStore(t, { signer: KEYS.privateKey })
  const bytes = bytesOf(2 * MiB)
  const digest = await add(store, bytes)
  const removed: unknown[] = []
  const undo = store.onRemoved((info) => removed.push(info))
  const source = await store.open(digest)
  assert.ok(source)
  assert.equal(await store.delete(digest), true)
  assert.equal(await store.delete(digest), false)
  assert.deepEqual(removed, [{ digest, size: bytes.length }])
  assert.equal(await store.stat(digest), undefined)
  assert.equal(await store.open(digest), undefined)
  assert.equal(await store.chunkMap(digest), undefined)
  assert.deepEqual(store.usage, { bytes: 0, blobs: 0 })
  assert.deepEqual(await readAll(source), bytes)
  await source.close()
  await source.close()
  await assert.rejects(source.read(Buffer.alloc(1), 0), { code: 'STORE_CLOSED' })
  undo()
  await store.close()
  const { store: again } = await temporaryStore(t, { directory })
  assert.deepEqual(await listed(again), [])
})

test('a blob without metadata is found again, and metadata without a blob is dropped', async (t) => {
  const directory = await temporaryDirectory(t)
  const bytes = bytesOf(2 * MiB)
  const first = await ContentStore.open({ directory, signer: KEYS.privateKey })
  const digest = await add(first, bytes)
  const gone = await add(first, bytesOf(3 * MiB))
  await first.close()
  await rm(blobPath(directory, gone))
  const second = await ContentStore.open({ directory })
  assert.deepEqual(await listed(second), [digest])
  assert.equal(await second.chunkMap(gone), undefined)
  await second.close()
  await rm(join(directory, 'meta'), { recursive: true })
  const { store } = await temporaryStore(t, { directory, signer: KEYS.privateKey })
  assert.deepEqual(await store.stat(digest), { digest, size: bytes.length })
  // The signer makes the chunk map that was lost, once for all who ask.
  const [a, b] = await Promise.all([store.chunkMap(digest), store.chunkMap(digest)])
  assert.ok(a && b && equalChunkMaps(a.map, mapOf(bytes)))
  for (const segment of [...a.segments, ...b.segments]) verifySegment(segment, KEYS.publicKey)
})

test('a file that was cut since, files that are no blobs, and unfinished uploads are not taken for blobs', async (t) => {
  const directory = await temporaryDirectory(t)
  const first = await ContentStore.open({ directory })
  const digest = await add(first, bytesOf(1000))
  await first.close()
  await truncate(blobPath(directory, digest), 999)
  await mkdir(join(directory, 'blobs', 'sha256', 'zz'))
  await writeFile(join(directory, 'blobs', 'sha256', 'zz', 'note'), 'hello')
  await writeFile(join(directory, 'blobs', 'sha256', 'note'), 'hello')
  await writeFile(join(directory, 'uploads', '1'), 'hello')
  const { store } = await temporaryStore(t, { directory })
  assert.deepEqual(await listed(store), [])
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})

test('a source says what is available and refuses what is not there', async (t) => {
  const { store } = await temporaryStore(t)
  const source = await store.open(await add(store, bytesOf(100)))
  assert.ok(source)
  assert.equal(await source.available(0), 100)
  assert.equal(await source.available(99), 1)
  assert.equal(await source.available(100), 0)
  assert.equal(await source.read(Buffer.alloc(10), 95), 5)
  assert.equal(await source.read(Buffer.alloc(10), 100), 0)
  for (const position of [-1, 101, 0.5]) {
    await assert.rejects(source.available(position), RangeError)
    await assert.rejects(source.read(Buffer.alloc(1), position), RangeError)
  }
  await source.close()
})

test('a chunk map is kept for a blob that is here, and only for that', async (t) => {
  const { store } = await temporaryStore(t)
  const bytes = bytesOf(2 * MiB)
  const signed = signedMapOf(bytes)
  await store.putChunkMap(signed)
  await add(store, bytes)
  assert.equal(await store.chunkMap(signed.map.digest), undefined)
  await store.putChunkMap(signed)
  const kept = await store.chunkMap(signed.map.digest)
  assert.deepEqual(kept?.segments.map(Buffer.from), signed.segments.map(Buffer.from))
  await assert.rejects(store.putChunkMap({ map: signed.map, segments: [] }), { code: 'CHUNK_MAP_INVALID' })
})

test('a closed store says so', async (t) => {
  const { store } = await temporaryStore(t)
  const digest = await add(store, bytesOf(10))
  const source = await store.open(digest)
  assert.ok(source)
  await store.close()
  await assert.rejects(store.open(digest), { code: 'STORE_CLOSED' })
  await assert.rejects(store.delete(digest), { code: 'STORE_CLOSED' })
  await assert.rejects(store.chunkMap(digest), { code: 'STORE_CLOSED' })
  await assert.rejects(store.partial(signedMapOf(bytesOf(10))), { code: 'STORE_CLOSED' })
  assert.deepEqual(await readAll(source), bytesOf(10))
  await source.close()
})
