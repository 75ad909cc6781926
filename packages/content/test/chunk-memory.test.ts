import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { CHUNK_MEMORY_IDLE_MS, ChunkMemory } from '../src/chunk-memory.ts'
import { ChunkBuffers } from '../src/index.ts'
import { RecentChunks } from '../src/recent-chunks.ts'
import { temporaryStore } from './support.ts'

const MiB = 1024 * 1024

test('recent chunks are bounded by the memory that they take, and the oldest goes first', () => {
  const buffers = new ChunkBuffers()
  const recent = new RecentChunks(2 * MiB)
  const blobs = [{}, {}] as const
  // 300 000 bytes take 512 KiB.
  for (let i = 0; i < 6; i++) {
    const chunk = buffers.take(300_000)
    chunk.bytes[0] = i
    recent.add(blobs[i % 2 === 0 ? 0 : 1], i, chunk)
    chunk.release()
    assert.ok(recent.bytes <= 2 * MiB)
  }
  assert.equal(recent.bytes, 2 * MiB)
  assert.equal(buffers.usedBytes, 2 * MiB)
  assert.deepEqual(
    [0, 1, 2, 3, 4, 5].map((i) => recent.get(blobs[i % 2 === 0 ? 0 : 1], i)?.bytes[0]),
    [undefined, undefined, 2, 3, 4, 5]
  )
  assert.equal(recent.get(blobs[0], 3), undefined)
  recent.drop(blobs[0])
  recent.drop(blobs[0])
  assert.equal(recent.bytes, 1 * MiB)
  assert.equal(recent.get(blobs[0], 2), undefined)
  recent.clear()
  assert.deepEqual([recent.bytes, buffers.usedBytes], [0, 0])
})

test('a chunk that does not fit, or is there already, is not kept', () => {
  const buffers = new ChunkBuffers()
  const recent = new RecentChunks(1 * MiB)
  const blob = {}
  const [first, again, tooLarge] = [buffers.take(10), buffers.take(10), buffers.take(2 * MiB)]
  recent.add(blob, 0, first)
  recent.add(blob, 0, again)
  recent.add(blob, 1, tooLarge)
  assert.equal(recent.get(blob, 0), first)
  assert.equal(recent.get(blob, 1), undefined)
  for (const chunk of [first, again, tooLarge]) chunk.release()
  assert.equal(buffers.usedBytes, first.capacity)
})

test('memory that nobody uses is given back after a while', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const memory = new ChunkMemory()
  const { buffers, recent } = memory
  const chunk = buffers.take(1 * MiB)
  recent.add(memory, 0, chunk)
  buffers.take(1 * MiB).release()
  chunk.release()
  t.mock.timers.tick(CHUNK_MEMORY_IDLE_MS - 1)
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [1 * MiB, 1 * MiB])
  t.mock.timers.tick(1)
  assert.equal(recent.bytes, 1 * MiB)
  t.mock.timers.tick(CHUNK_MEMORY_IDLE_MS)
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes, recent.bytes], [0, 0, 0])
  // And again, after a longer hold; as long as chunks move, nothing is given back.
  const held = buffers.take(1 * MiB)
  for (let i = 0; i < 5; i++) t.mock.timers.tick(CHUNK_MEMORY_IDLE_MS)
  held.release()
  for (let i = 0; i < 20; i++) {
    t.mock.timers.tick(CHUNK_MEMORY_IDLE_MS / 2)
    buffers.take(1 * MiB).release()
    assert.equal(buffers.freeBytes, 1 * MiB)
  }
  memory.close()
  assert.equal(buffers.freeBytes, 0)
})

test('a store shows its chunk memory', async (t) => {
  const metrics = new Registry()
  const { store } = await temporaryStore(t, { metrics })
  const held = store.buffers.take(3 * MiB)
  store.buffers.take(100).release()
  const text = await metrics.metrics()
  assert.match(text, /^shoal_chunk_buffer_bytes\{state="used"\} 4194304$/m)
  assert.match(text, /^shoal_chunk_buffer_bytes\{state="free"\} 131072$/m)
  held.release()
  await store.close()
  assert.deepEqual([store.buffers.usedBytes, store.buffers.freeBytes], [0, 0])
})
