import assert from 'node:assert/strict'
import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestHex, digestOf } from '@shoal/oci'
import { chunkCount, equalChunkMaps } from '../src/index.ts'
import {
  add,
  bytesOf,
  chunkOf,
  KEYS,
  mapOf,
  random,
  readAll,
  readBlob,
  shuffled,
  signedMapOf,
  temporaryStore
} from './support.ts'

const MiB = 1024 * 1024
const BYTES = bytesOf(3 * MiB + 100)
const SIGNED = signedMapOf(BYTES)
const { map } = SIGNED
const COUNT = chunkCount(map)

test('chunks in any order make the blob whole', async (t) => {
  const { store, directory } = await temporaryStore(t)
  const added: string[] = []
  store.onAdded(({ digest }) => added.push(digest))
  const partial = await store.partial(SIGNED)
  const told: number[] = []
  let completed = 0
  partial.onChunk((index) => told.push(index))
  partial.onComplete(() => completed++)
  const order = shuffled(Array(COUNT).keys(), random(3))
  for (const index of order) {
    assert.equal(partial.complete, false)
    assert.equal(await store.stat(map.digest), undefined)
    assert.equal(await partial.put(index, chunkOf(BYTES, map, index)), 'stored')
    assert.equal(await partial.put(index, chunkOf(BYTES, map, index)), 'duplicate')
  }
  assert.equal(partial.complete, true)
  assert.deepEqual(told, order)
  assert.equal(completed, 1)
  assert.deepEqual(added, [map.digest])
  assert.deepEqual(await readBlob(store, map.digest), BYTES)
  const last = COUNT - 1
  const target = Buffer.alloc(map.chunkSize)
  assert.equal(await partial.readChunk(last, target), chunkOf(BYTES, map, last).length)
  assert.deepEqual(target.subarray(0, chunkOf(BYTES, map, last).length), chunkOf(BYTES, map, last))
  await partial.release()
  assert.equal(store.findPartial(map.digest), undefined)
  assert.deepEqual(await readdir(join(directory, 'partial', 'sha256')), [])
  assert.ok(equalChunkMaps((await store.chunkMap(map.digest))?.map ?? mapOf(Buffer.of()), map))
  assert.deepEqual(store.usage, { bytes: BYTES.length, blobs: 1 })
})

test('wrong bytes are refused and spoil nothing', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const good = chunkOf(BYTES, map, 1)
  const flipped = Buffer.from(good)
  flipped.writeUInt8(flipped.readUInt8(5) ^ 1, 5)
  for (const wrong of [flipped, good.subarray(1), Buffer.concat([good, Buffer.of(0)]), Buffer.alloc(0)]) {
    await assert.rejects(partial.put(1, wrong), { name: 'ChunkMismatchError', code: 'CHUNK_MISMATCH', index: 1 })
  }
  assert.equal(partial.have.count, 0)
  for (const index of [-1, COUNT, 0.5]) await assert.rejects(partial.put(index, good), RangeError)
  await assert.rejects(partial.readChunk(1, Buffer.alloc(map.chunkSize)), { code: 'CHUNK_MISSING', index: 1 })
  const results = await Promise.allSettled([
    partial.put(1, flipped),
    partial.put(1, good),
    partial.put(1, flipped),
    partial.put(1, good)
  ])
  assert.deepEqual(results.map((r) => (r.status === 'fulfilled' ? r.value : 'refused')).sort(), [
    'duplicate',
    'refused',
    'refused',
    'stored'
  ])
  const target = Buffer.alloc(map.chunkSize)
  await partial.readChunk(1, target)
  assert.deepEqual(target, good)
  await assert.rejects(partial.readChunk(1, Buffer.alloc(10)), RangeError)
  await assert.rejects(
    partial.put(2, chunkOf(BYTES, map, 2), { signal: AbortSignal.abort(new Error('enough')) }),
    /enough/
  )
  assert.deepEqual([...partial.have.missing()].includes(2), true)
})

test('all who want a blob share one partial blob', async (t) => {
  const { store } = await temporaryStore(t)
  const [a, b] = await Promise.all([store.partial(SIGNED), store.partial(SIGNED)])
  const c = await store.partial(SIGNED)
  assert.ok(a === b && b === c)
  assert.equal(store.findPartial(map.digest), a)
  await a.release()
  await b.release()
  await c.put(0, chunkOf(BYTES, map, 0))
  await c.release()
  assert.equal(store.findPartial(map.digest), undefined)
  await assert.rejects(c.put(1, chunkOf(BYTES, map, 1)), { code: 'STORE_CLOSED' })
  // Released and opened at the same time, it is the old or a new one, but it works.
  let current = await store.partial(SIGNED)
  for (let i = 1; i < 5; i++) {
    const [next] = await Promise.all([store.partial(SIGNED), current.release()])
    assert.equal(await next.put(i, chunkOf(BYTES, map, i)), 'stored')
    current = next
  }
  assert.equal(current.have.count, 5)
})

test('one who stops waiting for a partial blob does not stop the others', async (t) => {
  const { store } = await temporaryStore(t)
  const controller = new AbortController()
  const aborted = store.partial(SIGNED, { signal: controller.signal })
  const other = store.partial(SIGNED)
  controller.abort(new Error('changed my mind'))
  await assert.rejects(aborted, /changed my mind/)
  const partial = await other
  assert.equal(await partial.put(0, chunkOf(BYTES, map, 0)), 'stored')
  await partial.release()
  assert.equal(store.findPartial(map.digest), undefined)
})

test('two different chunk maps of one blob are refused, and so is one that needs a signature and has none', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const other = signedMapOf(bytesOf(BYTES.length, 2))
  const lie = { ...other.map, digest: map.digest }
  await assert.rejects(store.partial({ map: lie, segments: other.segments }), { code: 'CHUNK_MAP_INVALID' })
  await assert.rejects(store.partial({ map, segments: [] }), { code: 'CHUNK_MAP_INVALID' })
  await partial.release()
})

test('what is held is found again, and torn or damaged chunks are not', async (t) => {
  const { store: first, directory } = await temporaryStore(t)
  const held = await first.partial(SIGNED)
  for (const index of [0, 2, 3, COUNT - 1]) await held.put(index, chunkOf(BYTES, map, index))
  await first.close()
  await assert.rejects(held.put(1, chunkOf(BYTES, map, 1)), { code: 'STORE_CLOSED' })
  const file = await open(join(directory, 'partial', 'sha256', digestHex(map.digest)), 'r+')
  await file.write(Buffer.of(0xff, 0xfe), 0, 2, 2 * map.chunkSize + 1000)
  await file.write(chunkOf(BYTES, map, 4).subarray(0, 100_000), 0, 100_000, 4 * map.chunkSize)
  await file.write(Buffer.from('past the end'), 0, 12, map.size)
  await file.close()
  const { store } = await temporaryStore(t, { directory })
  assert.ok(equalChunkMaps((await store.chunkMap(map.digest))?.map ?? mapOf(Buffer.of()), map))
  const partial = await store.partial(SIGNED)
  assert.deepEqual(
    Array.from({ length: COUNT }, (_, i) => i).filter((i) => partial.have.has(i)),
    [0, 3, COUNT - 1]
  )
  for (const index of [...partial.have.missing()]) await partial.put(index, chunkOf(BYTES, map, index))
  assert.deepEqual(await readBlob(store, map.digest), BYTES)
})

test('a chunk of zeros is held like any other', async (t) => {
  const bytes = Buffer.alloc(2 * MiB)
  bytes.writeUInt8(1, bytes.length - 1)
  const signed = signedMapOf(bytes)
  const { store: first, directory } = await temporaryStore(t)
  const before = await first.partial(signed)
  await before.put(3, chunkOf(bytes, signed.map, 3))
  await first.close()
  const { store } = await temporaryStore(t, { directory })
  const after = await store.partial(signed)
  // The hole before it reads as the same zeros, which are right there too.
  assert.equal(after.have.count, 4)
  assert.equal(after.have.has(4), false)
})

test('a file that holds everything becomes whole when it is opened', async (t) => {
  const { store: first, directory } = await temporaryStore(t)
  await (await first.partial(SIGNED)).release()
  await first.close()
  const file = await open(join(directory, 'partial', 'sha256', digestHex(map.digest)), 'r+')
  await file.write(BYTES, 0, BYTES.length, 0)
  await file.close()
  const { store } = await temporaryStore(t, { directory })
  const partial = await store.partial(SIGNED)
  assert.equal(partial.complete, true)
  assert.deepEqual(await readBlob(store, map.digest), BYTES)
})

test('an empty blob and a whole blob are complete at once', async (t) => {
  const { store } = await temporaryStore(t)
  const empty = await store.partial({ map: mapOf(Buffer.alloc(0)), segments: [] })
  assert.equal(empty.complete, true)
  assert.deepEqual(await store.stat(digestOf(Buffer.alloc(0))), { digest: digestOf(Buffer.alloc(0)), size: 0 })
  assert.equal((await readAll(empty.source())).length, 0)
  await add(store, BYTES)
  const whole = await store.partial(SIGNED)
  assert.equal(whole.complete, true)
  assert.equal(whole.have.complete, true)
  let told = false
  whole.onComplete(() => {
    told = true
  })
  assert.equal(told, true)
  assert.equal(await whole.put(0, chunkOf(BYTES, map, 0)), 'duplicate')
  assert.deepEqual(await readAll(whole.source()), BYTES)
})

test('a blob that comes whole while it arrives in chunks leaves no partial file', async (t) => {
  const { store, directory } = await temporaryStore(t, { signer: KEYS.privateKey })
  const partial = await store.partial(SIGNED)
  await partial.put(0, chunkOf(BYTES, map, 0))
  await add(store, BYTES)
  await partial.put(1, chunkOf(BYTES, map, 1))
  assert.deepEqual(store.usage, { bytes: BYTES.length, blobs: 1 })
  await partial.release()
  assert.deepEqual(await readdir(join(directory, 'partial', 'sha256')), [])
  assert.deepEqual(await readBlob(store, map.digest), BYTES)
})

test('a partial blob can be deleted when nobody uses it', async (t) => {
  const { store, directory } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  await partial.put(0, chunkOf(BYTES, map, 0))
  assert.equal(await store.delete(map.digest), false)
  await partial.release()
  assert.equal(store.usage.bytes, map.chunkSize)
  assert.equal(await store.delete(map.digest), true)
  assert.deepEqual(store.usage, { bytes: 0, blobs: 0 })
  assert.equal(await store.chunkMap(map.digest), undefined)
  assert.deepEqual(await readdir(join(directory, 'partial', 'sha256')), [])
})
