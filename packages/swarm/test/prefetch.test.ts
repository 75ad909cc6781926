import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { MAX_PREFETCHES, MAX_WAITING_PREFETCHES, Prefetch } from '../src/blob/prefetch.ts'

describe('a prefetch', () => {
  const named = (text: string) => digestOf(Buffer.from(text))

  it('brings a few blobs at a time, in order, and those that fail do not stop the others', async () => {
    const started: string[] = []
    const ends: PromiseWithResolvers<void>[] = []
    const prefetch = new Prefetch((digest) => {
      started.push(digest)
      const end = Promise.withResolvers<void>()
      ends.push(end)
      return end.promise
    })
    const digests = Array.from({ length: MAX_PREFETCHES + 3 }, (_, i) => named(String(i)))
    for (const digest of digests) prefetch.add(digest)
    assert.deepEqual(started, digests.slice(0, MAX_PREFETCHES))
    prefetch.remove(digests[MAX_PREFETCHES] ?? named(''))
    ends[0]?.reject(new Error('nobody has it'))
    await new Promise((resolve) => setImmediate(resolve))
    assert.deepEqual(started.slice(MAX_PREFETCHES), digests.slice(MAX_PREFETCHES + 1, MAX_PREFETCHES + 2))
    prefetch.stop()
    for (const { resolve } of ends) resolve()
    await new Promise((resolve) => setImmediate(resolve))
    assert.equal(started.length, MAX_PREFETCHES + 1)
  })

  it('does not grow without bound', () => {
    const prefetch = new Prefetch(() => new Promise(() => undefined))
    for (let i = 0; i < 2 * MAX_WAITING_PREFETCHES; i++) prefetch.add(named(String(i)))
    assert.equal(prefetch.waiting, MAX_WAITING_PREFETCHES)
  })
})
