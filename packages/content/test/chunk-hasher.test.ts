import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import fc from 'fast-check'
import type { ChunkSizing } from '../src/chunk-sizing.ts'
import { CHUNK_SIZING, chunkSizeFor, largestBlobFor } from '../src/chunk-sizing.ts'
import { ChunkHasher } from '../src/index.ts'
import { bytesOf } from './support.ts'

/** The real sizes divided by 8192, so that every boundary is within 50 KiB. */
const SMALL: ChunkSizing = { minBytes: 32, maxBytes: 512, singleBytes: 128 }
const DATA = bytesOf(60_000)
const DIGEST = digestOf(Buffer.alloc(0))

function naive(bytes: Uint8Array, sizing: ChunkSizing): Buffer {
  const chunkSize = chunkSizeFor(bytes.length, sizing)
  const digests: Buffer[] = []
  for (let at = 0; at < bytes.length; at += chunkSize) {
    digests.push(
      createHash('sha256')
        .update(bytes.subarray(at, at + chunkSize))
        .digest()
    )
  }
  return Buffer.concat(digests)
}

function hashed(bytes: Uint8Array, size: number | undefined, step: number, sizing: ChunkSizing): Buffer {
  const hasher = new ChunkHasher(size, sizing)
  for (let at = 0; at < bytes.length; at += step) hasher.update(bytes.subarray(at, at + step))
  const map = hasher.finish(DIGEST)
  assert.equal(map.size, bytes.length)
  assert.equal(map.chunkSize, chunkSizeFor(bytes.length, sizing))
  return Buffer.from(map.chunkDigests)
}

function check(size: number, step: number): void {
  const bytes = DATA.subarray(0, size)
  const expected = naive(bytes, SMALL)
  assert.deepEqual(hashed(bytes, size, step, SMALL), expected, `known size ${size}, steps of ${step}`)
  assert.deepEqual(hashed(bytes, undefined, step, SMALL), expected, `unknown size ${size}, steps of ${step}`)
}

test('a known and an unknown size give what plain hashing gives, around every boundary', () => {
  const boundaries = [0, SMALL.singleBytes]
  for (let chunkSize = SMALL.minBytes; chunkSize <= SMALL.maxBytes; chunkSize *= 2) {
    boundaries.push(chunkSize, 5 * chunkSize)
    if (chunkSize < SMALL.maxBytes) boundaries.push(largestBlobFor(chunkSize, SMALL))
  }
  for (const boundary of boundaries) {
    for (const size of [boundary - 1, boundary, boundary + 1]) if (size >= 0) check(size, 1000)
  }
})

test('… and for any size, in pieces of any size', () => {
  fc.assert(
    fc.property(fc.nat(DATA.length), fc.integer({ min: 1, max: 3000 }), (size, step) => check(size, step)),
    { numRuns: 150 }
  )
})

test('the real sizes: one chunk, several, and past the first change of the chunk size', () => {
  const block = bytesOf(1024 * 1024)
  const first = largestBlobFor(CHUNK_SIZING.minBytes)
  for (const size of [CHUNK_SIZING.singleBytes, CHUNK_SIZING.singleBytes + 1, first, first + 1]) {
    const bytes = Buffer.alloc(size)
    for (let at = 0; at < size; at += block.length) block.copy(bytes, at)
    const expected = naive(bytes, CHUNK_SIZING)
    assert.deepEqual(hashed(bytes, undefined, 1_000_000, CHUNK_SIZING), expected, `size ${size}`)
  }
})

test('a size that was announced and is not true is an error', () => {
  const hasher = new ChunkHasher(10)
  hasher.update(Buffer.alloc(9))
  assert.throws(() => hasher.finish(DIGEST), RangeError)
})
