import assert from 'node:assert/strict'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import fc from 'fast-check'
import {
  ChunkMapError,
  chunkCount,
  chunkDigest,
  chunkLength,
  chunkOffset,
  chunkSizeFor,
  MAX_BLOB_SIZE_BYTES,
  MAX_CHUNK_SIZE_BYTES,
  MIN_CHUNK_SIZE_BYTES,
  SINGLE_CHUNK_MAX_BYTES,
  singleChunkMap,
  validateChunkMap
} from '../src/index.ts'
import { mapOf } from './support.ts'

const KiB = 1024
const MiB = 1024 * KiB

test('the chunk size is the power of two nearest to size / 128, within its limits', () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat().map((n) => n % (MAX_BLOB_SIZE_BYTES + 1)),
      (size) => {
        const chunkSize = chunkSizeFor(size)
        if (size <= SINGLE_CHUNK_MAX_BYTES) return chunkSize === SINGLE_CHUNK_MAX_BYTES
        const nearest = 2 ** Math.round(Math.log2(size / 128))
        return chunkSize === Math.min(MAX_CHUNK_SIZE_BYTES, Math.max(MIN_CHUNK_SIZE_BYTES, nearest))
      }
    ),
    { numRuns: 2000 }
  )
})

test('the chunk size changes at the sizes where it has to', () => {
  for (const [size, expected] of [
    [0, MiB],
    [1, MiB],
    [MiB, MiB],
    [MiB + 1, 256 * KiB],
    [47_453_132, 256 * KiB],
    [47_453_133, 512 * KiB],
    [94_906_265, 512 * KiB],
    [94_906_266, MiB],
    [189_812_531, MiB],
    [189_812_532, 2 * MiB],
    [379_625_062, 2 * MiB],
    [379_625_063, 4 * MiB],
    [MAX_BLOB_SIZE_BYTES, 4 * MiB]
  ] as const) {
    assert.equal(chunkSizeFor(size), expected, `size ${size}`)
  }
})

test('chunks cover the blob without gap or overlap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 600 * MiB }), (size) => {
      const cut = { size, chunkSize: chunkSizeFor(size) }
      let end = 0
      for (let i = 0; i < chunkCount(cut); i++) {
        assert.equal(chunkOffset(cut, i), end)
        assert.ok(chunkLength(cut, i) > 0 && chunkLength(cut, i) <= cut.chunkSize)
        end += chunkLength(cut, i)
      }
      assert.equal(end, size)
      assert.throws(() => chunkLength(cut, chunkCount(cut)), RangeError)
      assert.throws(() => chunkOffset(cut, -1), RangeError)
    })
  )
})

test('a small blob is its own chunk map', () => {
  const bytes = Buffer.from('hello')
  const digest = digestOf(bytes)
  const map = singleChunkMap(digest, bytes.length)
  assert.ok(map)
  assert.equal(chunkCount(map), 1)
  assert.deepEqual(Buffer.from(chunkDigest(map, 0)).toString('hex'), digest.slice('sha256:'.length))
  assert.deepEqual(mapOf(bytes), { ...map, chunkDigests: Buffer.from(map.chunkDigests) })
  validateChunkMap(map)
  assert.equal(singleChunkMap(digest, SINGLE_CHUNK_MAX_BYTES + 1), undefined)
  assert.equal(singleChunkMap(digestOf(bytes, 'sha512'), bytes.length), undefined)
  const empty = singleChunkMap(digestOf(Buffer.alloc(0)), 0)
  assert.ok(empty)
  assert.equal(chunkCount(empty), 0)
  validateChunkMap(empty)
})

test('a blob that has bytes cannot be said to have none', () => {
  for (const digest of [digestOf(Buffer.from('{}')), digestOf(Buffer.from('{}'), 'sha512')]) {
    assert.equal(singleChunkMap(digest, 0), undefined)
    const map = { digest, size: 0, chunkSize: MiB, chunkDigests: new Uint8Array(0) }
    assert.throws(() => validateChunkMap(map), ChunkMapError)
  }
})

test('a chunk map that contradicts itself is refused', () => {
  const map = mapOf(Buffer.alloc(2 * MiB, 1))
  validateChunkMap(map)
  const wrong = [
    { ...map, size: -1 },
    { ...map, size: 1.5 },
    { ...map, size: Number.NaN },
    { ...map, size: MAX_BLOB_SIZE_BYTES + 1, chunkSize: MAX_CHUNK_SIZE_BYTES },
    { ...map, size: map.size + 256 * KiB },
    { ...map, chunkSize: 512 * KiB },
    { ...map, chunkDigests: map.chunkDigests.subarray(1) },
    { ...mapOf(Buffer.from('a')), digest: digestOf(Buffer.from('b')) }
  ]
  for (const bad of wrong) assert.throws(() => validateChunkMap(bad), ChunkMapError)
})
