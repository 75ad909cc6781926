import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ChunkBuffers, MAX_CHUNK_SIZE_BYTES, MIN_CHUNK_BUFFER_BYTES } from '../src/index.ts'

const KiB = 1024
const MiB = 1024 * KiB

test('memory is used again by those who ask for about as much', () => {
  const buffers = new ChunkBuffers()
  const first = buffers.take(300 * KiB)
  const memory = first.bytes.buffer
  assert.equal(first.bytes.length, 300 * KiB)
  assert.equal(memory.byteLength, 512 * KiB)
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [512 * KiB, 0])
  first.release()
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [0, 512 * KiB])
  assert.notEqual(buffers.take(256 * KiB).bytes.buffer, memory)
  const second = buffers.take(512 * KiB)
  assert.equal(second.bytes.buffer, memory)
  assert.equal(second.bytes.length, 512 * KiB)
})

test('lengths are those of chunks and their parts', () => {
  const buffers = new ChunkBuffers()
  for (const length of [0, -1, 1.5, Number.NaN, MAX_CHUNK_SIZE_BYTES + 1]) {
    assert.throws(() => buffers.take(length), RangeError, `${length}`)
  }
  assert.equal(buffers.usedBytes, 0)
  for (const [length, capacity] of [
    [1, MIN_CHUNK_BUFFER_BYTES],
    [MIN_CHUNK_BUFFER_BYTES, MIN_CHUNK_BUFFER_BYTES],
    [MIN_CHUNK_BUFFER_BYTES + 1, 2 * MIN_CHUNK_BUFFER_BYTES],
    [MAX_CHUNK_SIZE_BYTES, MAX_CHUNK_SIZE_BYTES]
  ] as const) {
    const buffer = buffers.take(length)
    assert.deepEqual([buffer.bytes.length, buffer.capacity], [length, capacity])
    buffer.release()
  }
})

test('memory goes back with the last hold, and a hold is released once', () => {
  const buffers = new ChunkBuffers()
  const buffer = buffers.take(1000)
  assert.equal(buffer.retain(), buffer)
  const part = buffer.lend(10, 20)
  buffer.release()
  part.release()
  assert.throws(() => part.release(), /released before/)
  assert.equal(buffer.bytes.length, 1000)
  assert.equal(buffers.freeBytes, 0)
  buffer.release()
  assert.equal(buffers.freeBytes, MIN_CHUNK_BUFFER_BYTES)
  assert.throws(() => buffer.release(), /released before/)
  assert.throws(() => buffer.retain(), /released before/)
  assert.throws(() => buffer.lend(0, 1), /released before/)
  assert.throws(() => buffer.bytes, /released before/)
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [0, MIN_CHUNK_BUFFER_BYTES])
})

test('a part is within the chunk', () => {
  const buffer = new ChunkBuffers().take(100)
  for (const [offset, length] of [
    [-1, 5],
    [0, 0],
    [0, 101],
    [100, 1],
    [0.5, 2],
    [3, Number.NaN]
  ] as const) {
    assert.throws(() => buffer.lend(offset, length), RangeError, `${offset} ${length}`)
  }
  assert.deepEqual([...buffer.lend(99, 1).bytes], [buffer.bytes[99]])
})

test('free memory is bounded, and memory of another size makes room', () => {
  const buffers = new ChunkBuffers({ keepBytes: 2 * MiB })
  const small = Array.from({ length: 20 }, () => buffers.take(128 * KiB))
  for (const buffer of small) buffer.release()
  assert.equal(buffers.freeBytes, 2 * MiB)
  const large = buffers.take(2 * MiB)
  const memory = large.bytes.buffer
  large.release()
  assert.equal(buffers.freeBytes, 2 * MiB)
  assert.equal(buffers.take(2 * MiB).bytes.buffer, memory)
  const tooLarge = buffers.take(4 * MiB)
  tooLarge.release()
  assert.equal(buffers.freeBytes, 0)
})

test('trimming gives back all that is free', () => {
  const buffers = new ChunkBuffers()
  const held = buffers.take(1 * MiB)
  buffers.take(1 * MiB).release()
  buffers.trim()
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [1 * MiB, 0])
  held.release()
  assert.deepEqual([buffers.usedBytes, buffers.freeBytes], [0, 1 * MiB])
})

test('no memory has two holders, and the counts are right, whatever is taken and released', () => {
  const lengths = fc.integer({ min: 1, max: 1 * MiB })
  const step = fc.oneof(fc.record({ take: lengths }), fc.record({ release: fc.nat() }), fc.constant({ trim: true }))
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const buffers = new ChunkBuffers({ keepBytes: 1 * MiB })
      const held: ReturnType<ChunkBuffers['take']>[] = []
      for (const step of steps) {
        if ('take' in step) held.push(buffers.take(step.take))
        else if ('trim' in step) buffers.trim()
        else if (held.length > 0) held.splice(step.release % held.length, 1)[0]?.release()
        assert.equal(new Set(held.map(({ bytes }) => bytes.buffer)).size, held.length)
        assert.equal(
          buffers.usedBytes,
          held.reduce((sum, { capacity }) => sum + capacity, 0)
        )
        assert.ok(buffers.freeBytes >= 0 && buffers.freeBytes <= 1 * MiB)
      }
    }),
    { numRuns: 50 }
  )
})
