import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import {
  BufferPool,
  POOL_BUFFER_BYTES,
  POOL_IDLE_MS,
  POOL_KEEP_FREE,
  POOL_MAX_LARGE,
  POOL_MAX_MEDIUM,
  POOL_MEDIUM_BYTES
} from '../src/buffer-pool.ts'
import { ContentStore, chunkCount, equalChunkMaps, verifySegment } from '../src/index.ts'
import { bytesOf, KEYS, mapOf, pieces, readBlob, temporaryStore } from './support.ts'

const MiB = 1024 * 1024

test('an ingested blob is there, with a signed chunk map', async (t) => {
  for (const known of [false, true]) {
    const { store } = await temporaryStore(t, { signer: KEYS.privateKey })
    const bytes = bytesOf(3 * MiB + 17)
    const digest = digestOf(bytes)
    const ingest = await store.ingest(known ? { size: bytes.length } : {})
    assert.equal(await ingest.append(pieces(bytes, 12_345)), bytes.length)
    assert.equal(await store.stat(digest), undefined)
    assert.deepEqual(await ingest.finish(digest), { digest, size: bytes.length })
    assert.deepEqual(await store.stat(digest), { digest, size: bytes.length })
    assert.deepEqual(await readBlob(store, digest), bytes)
    const signed = await store.chunkMap(digest)
    assert.ok(signed)
    assert.ok(equalChunkMaps(signed.map, mapOf(bytes)))
    for (const segment of signed.segments) verifySegment(segment, KEYS.publicKey)
    assert.equal(signed.segments.length, 1)
  }
})

test('small blobs: one chunk that the digest proves, none when empty, a signature for sha512', async (t) => {
  const { store } = await temporaryStore(t, { signer: KEYS.privateKey })
  for (const [size, algorithm, segments, chunks] of [
    [0, 'sha256', 0, 0],
    [1, 'sha256', 0, 1],
    [MiB, 'sha256', 0, 1],
    [0, 'sha512', 1, 0],
    [1000, 'sha512', 1, 1]
  ] as const) {
    const bytes = bytesOf(size)
    const digest = digestOf(bytes, algorithm)
    const ingest = await store.ingest()
    await ingest.append(pieces(bytes))
    await ingest.finish(digest)
    assert.deepEqual(await readBlob(store, digest), bytes, digest)
    const signed = await store.chunkMap(digest)
    assert.ok(signed)
    assert.equal(signed.segments.length, segments, digest)
    assert.equal(chunkCount(signed.map), chunks, digest)
  }
})

test('a sha512 digest may be announced, or come as a surprise', async (t) => {
  const { store } = await temporaryStore(t)
  for (const [options, seed] of [
    [{ algorithm: 'sha512' }, 1],
    [{}, 2]
  ] as const) {
    const bytes = bytesOf(2 * MiB, seed)
    const ingest = await store.ingest(options)
    await ingest.append(pieces(bytes))
    await ingest.finish(digestOf(bytes, 'sha512'))
    assert.deepEqual(await readBlob(store, digestOf(bytes, 'sha512')), bytes)
  }
})

test('without a signer only blobs of one chunk have a chunk map', async (t) => {
  const { store } = await temporaryStore(t)
  const bytes = bytesOf(2 * MiB)
  const ingest = await store.ingest()
  await ingest.append(pieces(bytes))
  await ingest.finish(digestOf(bytes))
  assert.equal(await store.chunkMap(digestOf(bytes)), undefined)
})

test('the wrong digest is an OCI error and leaves nothing', async (t) => {
  const { store, directory } = await temporaryStore(t, { signer: KEYS.privateKey })
  const ingest = await store.ingest()
  await ingest.append(pieces(bytesOf(2 * MiB)))
  const wrong = digestOf(Buffer.from('something else'))
  await assert.rejects(ingest.finish(wrong), { name: 'OciError', code: 'DIGEST_INVALID' })
  assert.equal(await store.stat(wrong), undefined)
  assert.deepEqual(store.usage, { bytes: 0, blobs: 0 })
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
  assert.deepEqual(await readdir(join(directory, 'blobs', 'sha256')), [])
  await assert.rejects(ingest.append(pieces(bytesOf(1))), { code: 'STORE_CLOSED' })
})

test('an announced size holds', async (t) => {
  const { store, directory } = await temporaryStore(t)
  const bytes = bytesOf(1000)
  const long = await store.ingest({ size: 999 })
  await assert.rejects(long.append(pieces(bytes, 100)), { name: 'OciError', code: 'SIZE_INVALID' })
  assert.ok(long.received <= 999)
  await long.abort()
  const short = await store.ingest({ size: 1001 })
  await short.append(pieces(bytes))
  await assert.rejects(short.finish(digestOf(bytes)), { name: 'OciError', code: 'SIZE_INVALID' })
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})

test('several pieces go on where the source before broke', async (t) => {
  const { store } = await temporaryStore(t, { signer: KEYS.privateKey })
  const bytes = bytesOf(5 * MiB + 3)
  const ingest = await store.ingest()
  async function* breaking(): AsyncGenerator<Uint8Array, void, void> {
    yield* pieces(bytes.subarray(0, 2 * MiB + 777))
    throw new Error('connection reset')
  }
  await assert.rejects(ingest.append(breaking()), /connection reset/)
  assert.equal(ingest.received, 2 * MiB + 777)
  assert.equal(ingest.busy, false)
  await ingest.append(pieces(bytes.subarray(ingest.received, 3 * MiB)))
  await ingest.append(pieces(Buffer.alloc(0)))
  await ingest.append(pieces(bytes.subarray(3 * MiB)))
  await ingest.finish(digestOf(bytes))
  assert.deepEqual(await readBlob(store, digestOf(bytes)), bytes)
  assert.ok(equalChunkMaps((await store.chunkMap(digestOf(bytes)))?.map ?? mapOf(Buffer.of()), mapOf(bytes)))
})

test('a source may use its buffer again', async (t) => {
  const { store } = await temporaryStore(t)
  const bytes = bytesOf(3 * MiB)
  const shared = Buffer.alloc(70_000)
  async function* reusing(): AsyncGenerator<Uint8Array, void, void> {
    for (let at = 0; at < bytes.length; at += shared.length) {
      const length = bytes.copy(shared, 0, at, at + shared.length)
      yield shared.subarray(0, length)
    }
  }
  const ingest = await store.ingest()
  await ingest.append(reusing())
  await ingest.finish(digestOf(bytes))
  assert.deepEqual(await readBlob(store, digestOf(bytes)), bytes)
})

/** A source that stays silent after its first bytes until it is told to end. */
function stuck(first: Uint8Array): {
  source: AsyncIterable<Uint8Array>
  waiting: Promise<void>
  returned: () => boolean
} {
  const waiting = Promise.withResolvers<void>()
  let returned = false
  let step = 0
  const iterator: AsyncIterator<Uint8Array> = {
    next: async () => {
      if (step++ === 0) return { done: false, value: first }
      waiting.resolve()
      return await Promise.withResolvers<IteratorResult<Uint8Array>>().promise
    },
    return: async () => {
      returned = true
      return { done: true, value: undefined }
    }
  }
  return { source: { [Symbol.asyncIterator]: () => iterator }, waiting: waiting.promise, returned: () => returned }
}

test('an abort ends the wait for a silent source, and keeps what came', async (t) => {
  const { store } = await temporaryStore(t)
  const bytes = bytesOf(1000)
  const ingest = await store.ingest()
  const { source, waiting, returned } = stuck(bytes.subarray(0, 600))
  const controller = new AbortController()
  const appended = ingest.append(source, { signal: controller.signal })
  await waiting
  assert.equal(ingest.busy, true)
  await assert.rejects(ingest.append(pieces(bytes)), { code: 'INGEST_BUSY' })
  await assert.rejects(ingest.finish(digestOf(bytes)), { code: 'INGEST_BUSY' })
  controller.abort(new Error('too slow'))
  await assert.rejects(appended, /too slow/)
  assert.equal(returned(), true)
  assert.equal(ingest.received, 600)
  await ingest.append(pieces(bytes.subarray(600)))
  await ingest.finish(digestOf(bytes))
  await assert.rejects(ingest.append(pieces(bytes), { signal: AbortSignal.abort() }), { code: 'STORE_CLOSED' })
})

test('aborting an ingest ends its append and leaves nothing; closing the store does the same', async (t) => {
  const { store, directory } = await temporaryStore(t)
  const ingests = [await store.ingest(), await store.ingest()]
  const appends = ingests.map(async (ingest) => {
    const { source, waiting } = stuck(bytesOf(1000))
    const appended = ingest.append(source)
    await waiting
    return appended
  })
  const ended = Promise.all(appends.map(async (append) => await assert.rejects(append, { code: 'STORE_CLOSED' })))
  assert.equal((await readdir(join(directory, 'uploads'))).length, 2)
  await ingests[0]?.abort()
  await ingests[0]?.abort()
  await store.close()
  await ended
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
  await assert.rejects(store.ingest(), { code: 'STORE_CLOSED' })
})

test('the same blob ingested at the same time is added once', async (t) => {
  const { store, directory } = await temporaryStore(t, { signer: KEYS.privateKey })
  const added: string[] = []
  store.onAdded(({ digest }) => added.push(digest))
  const bytes = bytesOf(2 * MiB)
  await Promise.all(
    Array.from({ length: 5 }, async () => {
      const ingest = await store.ingest()
      await ingest.append(pieces(bytes))
      await ingest.finish(digestOf(bytes))
    })
  )
  assert.deepEqual(added, [digestOf(bytes)])
  assert.deepEqual(store.usage, { bytes: bytes.length, blobs: 1 })
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})

test('an ingest with a name goes on in the next process, whatever came before', async (t) => {
  const bytes = bytesOf(7 * MiB + 5)
  const { store, directory } = await temporaryStore(t, { signer: KEYS.privateKey })
  const id = 'upload-1'
  const first = await store.ingest({ id })
  await first.append(pieces(bytes.subarray(0, 3 * MiB + 1)))
  await assert.rejects(store.ingest({ id }), { code: 'INGEST_BUSY' })
  assert.deepEqual(await store.pendingIngests(), [])
  const unnamed = await store.ingest()
  await unnamed.append(pieces(bytes.subarray(0, 10)))
  await store.close()
  const again = await ContentStore.open({ directory, signer: KEYS.privateKey })
  t.after(async () => await again.close())
  const [pending, ...others] = await again.pendingIngests()
  assert.deepEqual([pending?.id, pending?.received, others], [id, 3 * MiB + 1, []])
  const second = await again.ingest({ id })
  assert.equal(second.received, 3 * MiB + 1)
  await second.append(pieces(bytes.subarray(second.received, 5 * MiB)))
  await second.suspend()
  const third = await again.ingest({ id })
  await third.append(pieces(bytes.subarray(5 * MiB)))
  await third.finish(digestOf(bytes))
  assert.deepEqual(await readBlob(again, digestOf(bytes)), bytes)
  assert.ok(equalChunkMaps((await again.chunkMap(digestOf(bytes)))?.map ?? mapOf(Buffer.of()), mapOf(bytes)))
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})

test('a named ingest that is suspended while it is read back keeps what came', async (t) => {
  const { store } = await temporaryStore(t)
  const bytes = bytesOf(9 * MiB)
  const first = await store.ingest({ id: 'upload-1' })
  await first.append(pieces(bytes))
  await first.suspend()
  const second = await store.ingest({ id: 'upload-1' })
  const finishing = assert.rejects(second.finish(digestOf(bytes)), { code: 'STORE_CLOSED' })
  await Promise.all([finishing, second.suspend()])
  assert.equal((await store.pendingIngests())[0]?.received, bytes.length)
  const third = await store.ingest({ id: 'upload-1' })
  await third.finish(digestOf(bytes))
  assert.deepEqual(await readBlob(store, digestOf(bytes)), bytes)
})

test('a name that is no name is refused, and an aborted one leaves nothing', async (t) => {
  const { store, directory } = await temporaryStore(t)
  for (const id of ['', '../../etc', '12345678', 'a/b-cdefgh', 'UPPERCASE']) {
    await assert.rejects(store.ingest({ id }), RangeError, id)
  }
  const ingest = await store.ingest({ id: 'upload-1' })
  await ingest.append(pieces(bytesOf(1000)))
  await ingest.abort()
  assert.deepEqual(await readdir(join(directory, 'uploads')), [])
})

test('buffers of many uploads stay within a bound', () => {
  const pool = new BufferPool()
  const taken = Array.from({ length: 1000 }, () => pool.take())
  const bytes = taken.reduce((sum, buffer) => sum + buffer.length, 0)
  assert.ok(bytes < 110 * MiB, `${bytes} bytes`)
  // 64 pushes with two each: hardly one is left with the small ones.
  assert.ok(taken.slice(0, 120).every(({ length }) => length >= POOL_MEDIUM_BYTES))
  for (const buffer of taken) pool.give(buffer)
  assert.equal(pool.take().length, POOL_BUFFER_BYTES)
})

test('buffers that were of no use for a while are given back, and few stay', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const pool = new BufferPool()
  const use = (count: number): void => {
    const taken = Array.from({ length: count }, () => pool.take())
    for (const buffer of taken) pool.give(buffer)
  }
  const mostBytes = POOL_MAX_LARGE * POOL_BUFFER_BYTES + POOL_MAX_MEDIUM * POOL_MEDIUM_BYTES
  use(POOL_MAX_LARGE + POOL_MAX_MEDIUM + 10)
  assert.equal(pool.freeBytes, mostBytes)
  // What is in use at times is kept.
  use(POOL_MAX_LARGE + 10)
  t.mock.timers.tick(POOL_IDLE_MS)
  assert.ok(pool.freeBytes >= POOL_MAX_LARGE * POOL_BUFFER_BYTES + 10 * POOL_MEDIUM_BYTES, `${pool.freeBytes} are free`)
  assert.ok(pool.freeBytes < mostBytes, `${pool.freeBytes} are free`)
  t.mock.timers.tick(POOL_IDLE_MS)
  assert.equal(pool.freeBytes, POOL_KEEP_FREE * POOL_BUFFER_BYTES)
  use(1)
  t.mock.timers.tick(10 * POOL_IDLE_MS)
  assert.equal(pool.freeBytes, POOL_KEEP_FREE * POOL_BUFFER_BYTES)
})
