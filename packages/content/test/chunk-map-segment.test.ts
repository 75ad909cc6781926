import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import fc from 'fast-check'
import type { ChunkMap } from '../src/index.ts'
import {
  assembleChunkMap,
  ChunkMapError,
  chunkCount,
  chunkSizeFor,
  decodeSegment,
  equalChunkMaps,
  SEGMENT_MAX_BYTES,
  SEGMENT_MAX_CHUNKS,
  segmentCount,
  signChunkMap,
  singleChunkMap,
  validateSignedChunkMap,
  verifySegment
} from '../src/index.ts'
import { bytesOf, KEYS, random, shuffled } from './support.ts'

const MiB = 1024 * 1024
const TAG_BYTES = 'shoal chunk map 1\n'.length
const DIGEST_BYTES = 'sha256:'.length + 64

/** A chunk map of that size with made-up digests. */
function mapOfSize(size: number, seed = 1): ChunkMap {
  const digest = digestOf(size === 0 ? Buffer.alloc(0) : Buffer.from(`${size} ${seed}`))
  const chunkSize = chunkSizeFor(size)
  const single = singleChunkMap(digest, size)
  return single ?? { digest, size, chunkSize, chunkDigests: bytesOf(32 * chunkCount({ size, chunkSize }), seed) }
}

const maps = fc.tuple(fc.integer({ min: 0, max: 4096 * MiB }), fc.nat()).map(([size, seed]) => mapOfSize(size, seed))

test('signing, verifying and assembling gives the chunk map back', () => {
  fc.assert(
    fc.property(maps, fc.nat(), (map, seed) => {
      const segments = signChunkMap(map, KEYS.privateKey)
      assert.equal(segments.length, segmentCount(map))
      for (const segment of segments) assert.ok(segment.length <= SEGMENT_MAX_BYTES)
      const verified = segments.map((segment) => verifySegment(segment, KEYS.publicKey))
      assert.ok(equalChunkMaps(map, assembleChunkMap(shuffled(verified, random(seed)))))
      validateSignedChunkMap({ map, segments })
    }),
    { numRuns: 50 }
  )
})

test('the bytes of a segment are those of the specification', () => {
  const map = mapOfSize(3 * MiB)
  const [segment] = signChunkMap(map, KEYS.privateKey)
  assert.ok(segment)
  const bytes = Buffer.from(segment)
  assert.equal(bytes.subarray(0, TAG_BYTES).toString(), 'shoal chunk map 1\n')
  assert.equal(bytes[TAG_BYTES], DIGEST_BYTES)
  assert.equal(bytes.subarray(TAG_BYTES + 1, TAG_BYTES + 1 + DIGEST_BYTES).toString(), map.digest)
  const numbers = bytes.subarray(TAG_BYTES + 1 + DIGEST_BYTES)
  assert.equal(numbers.readBigUInt64BE(0), BigInt(3 * MiB))
  assert.equal(numbers.readUInt32BE(8), 256 * 1024)
  assert.equal(numbers.readUInt32BE(12), 0)
  assert.equal(numbers.readUInt16BE(16), 12)
  assert.deepEqual(numbers.subarray(18, 18 + 12 * 32), Buffer.from(map.chunkDigests))
  assert.equal(numbers.length, 18 + 12 * 32 + 64)
})

test('a blob of many chunks is cut in segments of 256', () => {
  const map = mapOfSize(2049 * MiB)
  const segments = signChunkMap(map, KEYS.privateKey).map(decodeSegment)
  assert.deepEqual(
    segments.map(({ first, chunkDigests }) => [first, chunkDigests.length / 32]),
    [
      [0, SEGMENT_MAX_CHUNKS],
      [256, SEGMENT_MAX_CHUNKS],
      [512, 1]
    ]
  )
})

test('a truncated segment is refused', () => {
  const [segment] = signChunkMap(mapOfSize(5 * MiB), KEYS.privateKey)
  assert.ok(segment)
  for (let length = 0; length < segment.length; length++) {
    assert.throws(() => decodeSegment(segment.subarray(0, length)), ChunkMapError, `length ${length}`)
  }
})

test('a longer segment is refused', () => {
  const [segment] = signChunkMap(mapOfSize(5 * MiB), KEYS.privateKey)
  assert.ok(segment)
  for (const extra of [1, 31, 32, 64, SEGMENT_MAX_BYTES, 10 * MiB]) {
    assert.throws(() => decodeSegment(Buffer.concat([segment, Buffer.alloc(extra)])), ChunkMapError, `extra ${extra}`)
  }
})

test('a segment with any bit flipped is refused', () => {
  const [segment] = signChunkMap(mapOfSize(2 * MiB), KEYS.privateKey)
  assert.ok(segment)
  for (let at = 0; at < segment.length; at++) {
    const flipped = Buffer.from(segment)
    flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << (at % 8)), at)
    assert.throws(() => verifySegment(flipped, KEYS.publicKey), ChunkMapError, `byte ${at}`)
  }
})

test('whatever the bytes are, only ChunkMapError is thrown', () => {
  const [good] = signChunkMap(mapOfSize(70 * MiB), KEYS.privateKey)
  assert.ok(good)
  const headLength = TAG_BYTES + 1 + DIGEST_BYTES + 18
  const hostile = fc.oneof(
    fc.uint8Array({ maxLength: 400 }),
    fc.uint8Array({ maxLength: 400 }).map((rest) => Buffer.concat([good.subarray(0, TAG_BYTES), rest])),
    fc.uint8Array({ minLength: 18, maxLength: 18 }).map((numbers) => {
      const bytes = Buffer.from(good)
      bytes.set(numbers, headLength - 18)
      return bytes
    }),
    fc.tuple(fc.nat(good.length - 1), fc.uint8Array({ maxLength: 40 })).map(([at, patch]) => {
      const bytes = Buffer.from(good)
      bytes.set(patch.subarray(0, bytes.length - at), at)
      return bytes
    })
  )
  fc.assert(
    fc.property(hostile, (bytes) => {
      try {
        verifySegment(bytes, KEYS.publicKey)
      } catch (error) {
        assert.ok(error instanceof ChunkMapError, String(error))
        return
      }
      assert.deepEqual(Buffer.from(bytes), Buffer.from(good))
    }),
    { numRuns: 3000 }
  )
})

test('a signature by another key is refused, and says so', () => {
  const [segment] = signChunkMap(mapOfSize(2 * MiB), generateKeyPairSync('ed25519').privateKey)
  assert.ok(segment)
  decodeSegment(segment)
  assert.throws(() => verifySegment(segment, KEYS.publicKey), { name: 'ChunkMapError', code: 'CHUNK_MAP_SIGNATURE' })
})

test('segments that do not belong together are refused', () => {
  const segments = signChunkMap(mapOfSize(2049 * MiB), KEYS.privateKey).map(decodeSegment)
  const [a, b, c] = segments
  const [other] = signChunkMap(mapOfSize(2049 * MiB, 2), KEYS.privateKey).map(decodeSegment)
  assert.ok(a && b && c && other)
  for (const wrong of [[], [a], [a, b], [a, b, b], [a, b, c, c], [other, b, c]]) {
    assert.throws(() => assembleChunkMap(wrong), ChunkMapError)
  }
})

test('a signed chunk map must say what its segments say, and may be without only where the digest proves it', () => {
  const map = mapOfSize(2 * MiB)
  const segments = signChunkMap(map, KEYS.privateKey)
  validateSignedChunkMap({ map: mapOfSize(1000), segments: [] })
  assert.throws(() => validateSignedChunkMap({ map, segments: [] }), ChunkMapError)
  assert.throws(() => validateSignedChunkMap({ map: mapOfSize(2 * MiB, 2), segments }), ChunkMapError)
})
