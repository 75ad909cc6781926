import assert from 'node:assert/strict'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { digestHex } from '@shoal/oci'
import fc from 'fast-check'
import { Bitfield } from '../src/bitfield.ts'
import { chunkDigestOf, HASH_HERE_MAX_BYTES } from '../src/chunk-digest.ts'
import { ChunkMemory } from '../src/chunk-memory.ts'
import { FilePartialBlob } from '../src/file-partial-blob.ts'
import type { ChunkBuffer, ContentStore, LentBytes, PartialBlob } from '../src/index.ts'
import { chunkCount, chunkLength, chunkOffset } from '../src/index.ts'
import { add, bytesOf, chunkOf, mapOf, readAll, signedMapOf, temporaryDirectory, temporaryStore } from './support.ts'

const KiB = 1024
const MiB = 1024 * KiB
const BYTES = bytesOf(3 * MiB + 100)
const SIGNED = signedMapOf(BYTES)
const { map } = SIGNED
const COUNT = chunkCount(map)

function filled(store: ContentStore, index: number): ChunkBuffer {
  const chunk = store.buffers.take(chunkLength(map, index))
  chunk.bytes.set(chunkOf(BYTES, map, index))
  return chunk
}

async function put(store: ContentStore, partial: PartialBlob, index: number): Promise<void> {
  const chunk = filled(store, index)
  await partial.put(index, chunk)
  chunk.release()
}

/** Spoil what is on disk, so that bytes from memory can be told from those of the file. */
async function spoil(directory: string): Promise<void> {
  const file = await open(join(directory, 'partial', 'sha256', digestHex(map.digest)), 'r+')
  await file.write(Buffer.alloc(BYTES.length, 0xee), 0, BYTES.length, 0)
  await file.close()
}

test('a chunk that just arrived is read from the memory that it arrived in', async (t) => {
  const { store, directory } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const source = partial.source()
  const chunk = filled(store, 1)
  await partial.put(1, chunk)
  await put(store, partial, 2)
  await partial.put(3, chunkOf(BYTES, map, 3))
  await spoil(directory)
  const lent = await partial.lend(1, 1000, 5000)
  assert.equal(lent.bytes.buffer, chunk.bytes.buffer)
  assert.deepEqual(Buffer.from(lent.bytes), chunkOf(BYTES, map, 1).subarray(1000, 6000))
  const target = Buffer.alloc(map.chunkSize)
  assert.equal(await partial.readChunk(2, target), map.chunkSize)
  assert.deepEqual(target, chunkOf(BYTES, map, 2))
  // Across the end of a chunk in memory, and on into one that is only in the file.
  const across = Buffer.alloc(2 * map.chunkSize)
  const from = chunkOffset(map, 1) + 7
  assert.equal(await source.read(across, from), 2 * map.chunkSize)
  assert.deepEqual(across.subarray(0, -7), BYTES.subarray(from, chunkOffset(map, 3)))
  assert.deepEqual(across.subarray(-7), Buffer.alloc(7, 0xee))
  lent.release()
  chunk.release()
})

test('wrong bytes, and a chunk that could not be written, are not kept in memory', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const wrong = filled(store, 0)
  wrong.bytes[9] = (wrong.bytes[9] ?? 0) ^ 1
  await assert.rejects(partial.put(0, wrong), { code: 'CHUNK_MISMATCH' })
  await assert.rejects(partial.lend(0, 0, 1), { code: 'CHUNK_MISSING' })
  wrong.release()
  assert.equal(store.buffers.usedBytes, 0)

  const memory = new ChunkMemory()
  t.after(() => memory.close())
  const path = join(await temporaryDirectory(t), 'blob')
  await (await open(path, 'w')).close()
  const readOnly = await open(path, 'r')
  const failing = new FilePartialBlob({ ...init(memory), map, file: readOnly, have: new Bitfield(COUNT) })
  failing.retain()
  const chunk = filled(store, 0)
  await assert.rejects(failing.put(0, chunk), { code: 'EBADF' })
  chunk.release()
  assert.equal(failing.have.count, 0)
  assert.equal(memory.recent.bytes, 0)
  assert.equal(store.buffers.usedBytes, 0)
  await failing.release()
})

function init(memory: ChunkMemory): Omit<ConstructorParameters<typeof FilePartialBlob>[0], 'map' | 'file' | 'have'> {
  return {
    complete: false,
    memory,
    commit: async () => undefined,
    onStored: async () => undefined,
    onIdle: () => undefined,
    onClosed: async () => undefined
  }
}

test('a blob of one chunk is read before it is durable', async (t) => {
  const bytes = bytesOf(5000)
  const memory = new ChunkMemory()
  t.after(() => memory.close())
  const file = await open(join(await temporaryDirectory(t), 'blob'), 'wx+')
  const durable = Promise.withResolvers<void>()
  const blob = new FilePartialBlob({
    ...init(memory),
    map: mapOf(bytes),
    file,
    have: new Bitfield(1),
    commit: async () => await durable.promise
  })
  blob.retain()
  const source = blob.source()
  const told: string[] = []
  blob.onChunk((index) => told.push(`chunk ${index}`))
  const chunk = memory.buffers.take(bytes.length)
  chunk.bytes.set(bytes)
  const putting = blob.put(0, chunk).then(() => told.push('put'))
  chunk.release()
  const stored = new Promise<void>((resolve) => blob.onChunk(() => resolve()))
  assert.deepEqual(await readAll(source), bytes)
  await stored
  assert.equal(blob.have.complete, true)
  assert.equal(blob.complete, false)
  assert.deepEqual(told, ['chunk 0'])
  durable.resolve()
  await putting
  assert.equal(blob.complete, true)
  await source.close()
  await blob.release()
  assert.equal(memory.buffers.usedBytes, 0)
})

test('lent bytes stay while they are held, whatever happens to the chunk, the blob and the store', async (t) => {
  const { store, directory } = await temporaryStore(t, { recentBytes: map.chunkSize })
  const partial = await store.partial(SIGNED)
  await put(store, partial, 0)
  const fromMemory = await partial.lend(0, 0, 1000)
  await put(store, partial, 1)
  await spoil(directory)
  const fromFile = await partial.lend(0, 0, 1000)
  assert.deepEqual(Buffer.from(fromFile.bytes), Buffer.alloc(1000, 0xee))
  await partial.release()
  await store.close()
  const scribbled = store.buffers.take(map.chunkSize)
  scribbled.bytes.fill(0xff)
  assert.deepEqual(Buffer.from(fromMemory.bytes), BYTES.subarray(0, 1000))
  assert.deepEqual(Buffer.from(fromFile.bytes), Buffer.alloc(1000, 0xee))
  for (const held of [fromMemory, fromFile, scribbled]) held.release()
  assert.equal(store.buffers.usedBytes, 0)
  assert.throws(() => fromMemory.release(), /released before/)
  assert.throws(() => fromFile.release(), /released before/)
})

test('only what is there is lent', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  await put(store, partial, COUNT - 1)
  await assert.rejects(partial.lend(0, 0, 1), { code: 'CHUNK_MISSING' })
  await assert.rejects(partial.lend(COUNT - 1, 0, 101), RangeError)
  await assert.rejects(partial.lend(COUNT - 1, 0, 0), RangeError)
  await partial.release()
  await assert.rejects(partial.lend(COUNT - 1, 0, 1), { code: 'STORE_CLOSED' })
  assert.equal(store.buffers.usedBytes, 0)
})

test('a whole blob lends its bytes, and they outlive the source', async (t) => {
  const { store } = await temporaryStore(t)
  const source = await store.open(await add(store, BYTES))
  assert.ok(source !== undefined)
  const lent = await source.lend(MiB - 5, 2 * MiB)
  for (const [position, length] of [
    [BYTES.length - 1, 2],
    [BYTES.length, 1],
    [0, 0],
    [-1, 1],
    [0.5, 1]
  ] as const) {
    await assert.rejects(source.lend(position, length), RangeError, `${position} ${length}`)
  }
  await source.close()
  await assert.rejects(source.lend(0, 1), { code: 'STORE_CLOSED' })
  assert.deepEqual(Buffer.from(lent.bytes), BYTES.subarray(MiB - 5, 3 * MiB - 5))
  lent.release()
  assert.equal(store.buffers.usedBytes, 0)
})

interface Held {
  readonly lent: LentBytes
  readonly expected: Buffer
}

test('no bytes change under a reader, whatever is put, lent, released and thrown out in between', async (t) => {
  const index = fc.nat(COUNT - 1)
  const step = fc.oneof(
    { weight: 3, arbitrary: fc.record({ put: index, early: fc.boolean() }) },
    { weight: 4, arbitrary: fc.record({ lend: index, from: fc.nat(), length: fc.nat() }) },
    { weight: 2, arbitrary: fc.record({ release: fc.nat() }) },
    { weight: 3, arbitrary: fc.record({ scribble: fc.integer({ min: 1, max: 256 * KiB }) }) },
    { weight: 1, arbitrary: fc.record({ read: index }) }
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), fc.nat(3), async (steps, recent) => {
      const { store } = await temporaryStore(t, { recentBytes: recent * 256 * KiB })
      const partial = await store.partial(SIGNED)
      const held: Held[] = []
      const lend = async (chunk: number, from: number, length: number): Promise<void> => {
        const bytes = chunkOf(BYTES, map, chunk)
        const start = from % bytes.length
        const expected = bytes.subarray(start, start + 1 + (length % (bytes.length - start)))
        if (partial.have.has(chunk)) held.push({ lent: await partial.lend(chunk, start, expected.length), expected })
      }
      const run = async (step: (typeof steps)[number]): Promise<void> => {
        if ('put' in step) {
          const chunk = filled(store, step.put)
          const putting = partial.put(step.put, chunk)
          if (step.early) chunk.release()
          await putting
          if (!step.early) chunk.release()
        } else if ('lend' in step) await lend(step.lend, step.from, step.length)
        else if ('release' in step) held.splice(step.release % Math.max(1, held.length), 1)[0]?.lent.release()
        else if ('scribble' in step) {
          const other = store.buffers.take(step.scribble)
          other.bytes.fill(0xff)
          other.release()
        } else if (partial.have.has(step.read)) {
          const target = Buffer.alloc(map.chunkSize)
          const length = await partial.readChunk(step.read, target)
          assert.ok(target.subarray(0, length).equals(chunkOf(BYTES, map, step.read)))
        }
      }
      // Three at a time, so that steps meet in the middle of others.
      for (let at = 0; at < steps.length; at += 3) {
        await Promise.all(steps.slice(at, at + 3).map(run))
        for (const { lent, expected } of held) assert.ok(expected.equals(lent.bytes))
      }
      await partial.release()
      for (const { lent, expected } of held) {
        assert.ok(expected.equals(lent.bytes))
        lent.release()
      }
      assert.equal(store.buffers.usedBytes, 0)
      await store.close()
    }),
    { numRuns: 20 }
  )
})

test('a digest is the same wherever it is computed, of shared memory too', async () => {
  for (const length of [0, 1, HASH_HERE_MAX_BYTES, HASH_HERE_MAX_BYTES + 1]) {
    const bytes = BYTES.subarray(0, length)
    const shared = new Uint8Array(new SharedArrayBuffer(length + 3), 3)
    shared.set(bytes)
    const expected = Buffer.from(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes)))
    assert.deepEqual(Buffer.from(await chunkDigestOf(bytes)), expected, `${length}`)
    assert.deepEqual(Buffer.from(await chunkDigestOf(shared)), expected, `${length} shared`)
  }
})

/** A partial blob of one chunk whose write waits. */
async function waitingToBeWritten(t: TestContext, bytes: Uint8Array) {
  const memory = new ChunkMemory()
  t.after(() => memory.close())
  const file = await open(join(await temporaryDirectory(t), 'blob'), 'wx+')
  const write = Promise.withResolvers<{ bytesWritten: number; buffer: Uint8Array }>()
  file.write = (() => write.promise) as unknown as typeof file.write
  const blob = new FilePartialBlob({ ...init(memory), map: mapOf(bytes), file, have: new Bitfield(1) })
  blob.retain()
  return { blob, write }
}

test('a verified chunk is read before it is written', async (t) => {
  const bytes = bytesOf(5000)
  const { blob, write } = await waitingToBeWritten(t, bytes)
  const source = blob.source()
  const putting = blob.put(0, bytes)
  assert.deepEqual(await readAll(source), bytes)
  assert.equal(blob.have.count, 0, 'what is not written is not held')
  await assert.rejects(blob.lend(0, 0, 1), { code: 'CHUNK_MISSING' })
  write.resolve({ bytesWritten: bytes.length, buffer: bytes })
  await putting
  assert.equal(blob.complete, true)
  await source.close()
  await blob.release()
})

test('nobody reads from the file what could not be written to it', async (t) => {
  const bytes = bytesOf(5000)
  const { blob, write } = await waitingToBeWritten(t, bytes)
  const source = blob.source()
  const putting = blob.put(0, bytes)
  assert.equal(await source.available(0), bytes.length)
  write.reject(new Error('the disk is broken'))
  await assert.rejects(putting, /the disk is broken/)
  await assert.rejects(source.read(Buffer.alloc(bytes.length), 0), { code: 'CHUNK_MISSING' })
  await source.close()
  await blob.release()
})
