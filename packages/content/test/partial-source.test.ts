import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { PartialBlob } from '../src/index.ts'
import { chunkCount } from '../src/index.ts'
import { bytesOf, chunkOf, random, readAll, shuffled, signedMapOf, temporaryStore } from './support.ts'

const MiB = 1024 * 1024
const BYTES = bytesOf(4 * MiB + 12_345)
const SIGNED = signedMapOf(BYTES)
const { map } = SIGNED
const ORDER = Array.from({ length: chunkCount(map) }, (_, i) => i)

async function fill(partial: PartialBlob, order: Iterable<number>): Promise<void> {
  for (const index of order) await partial.put(index, chunkOf(BYTES, map, index))
}

test('many readers get all bytes in order while the chunks come in any order', async (t) => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.integer({ min: 1000, max: 600_000 }), async (seed, bufferBytes) => {
      const { store } = await temporaryStore(t)
      const partial = await store.partial(SIGNED)
      const sources = Array.from({ length: 5 }, () => partial.source())
      const readers = sources.map(async (source, i) => await readAll(source, bufferBytes + i))
      const order = shuffled(ORDER, random(seed))
      await Promise.all([fill(partial, order.slice(0, 9)), fill(partial, order.slice(9))])
      for (const bytes of await Promise.all(readers)) assert.ok(bytes.equals(BYTES))
      await Promise.all(sources.map(async (source) => await source.close()))
      await partial.release()
      await store.close()
    }),
    { numRuns: 5 }
  )
})

test('exactly the verified bytes are available', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const source = partial.source()
  await fill(partial, [0, 1, 3, ORDER.length - 1])
  assert.equal(await source.available(0), 2 * map.chunkSize)
  assert.equal(await source.available(2 * map.chunkSize - 1), 1)
  assert.equal(await source.available(3 * map.chunkSize + 5), map.chunkSize - 5)
  assert.equal(await source.available(map.size - 7), 7)
  assert.equal(await source.available(map.size), 0)
  assert.equal(await source.read(Buffer.alloc(MiB), map.chunkSize), map.chunkSize)
  await assert.rejects(source.read(Buffer.alloc(1), 2 * map.chunkSize), RangeError)
  await assert.rejects(source.available(map.size + 1), RangeError)
  const waiting = source.available(2 * map.chunkSize)
  await fill(partial, [2])
  assert.equal(await waiting, 2 * map.chunkSize)
})

test('a failure reaches those who wait, and not those who come later', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  await fill(partial, [0])
  const source = partial.source()
  const waiting = source.available(map.chunkSize)
  partial.fail(new Error('no peer has it'))
  await assert.rejects(waiting, /no peer has it/)
  await assert.rejects(source.available(map.chunkSize), /no peer has it/)
  assert.equal(await source.available(0), map.chunkSize)
  assert.equal(partial.have.count, 1)
  const later = readAll(partial.source())
  await fill(partial, ORDER.slice(1))
  assert.ok((await later).equals(BYTES))
})

test('a reader stops waiting by its signal or by closing, and harms nobody else', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const [a, b, c] = [partial.source(), partial.source(), partial.source()]
  const controller = new AbortController()
  const aborted = a.available(0, { signal: controller.signal })
  const closed = b.available(0)
  const other = readAll(c)
  controller.abort(new Error('client went away'))
  await assert.rejects(aborted, /client went away/)
  await b.close()
  await assert.rejects(closed, { code: 'STORE_CLOSED' })
  await assert.rejects(b.available(0), { code: 'STORE_CLOSED' })
  await fill(partial, ORDER)
  assert.ok((await other).equals(BYTES))
  assert.ok((await readAll(a)).equals(BYTES))
})

test('a source goes on after its blob was made whole and released, and even deleted', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const source = partial.source()
  await fill(partial, ORDER)
  await partial.release()
  assert.equal(await store.delete(map.digest), true)
  assert.ok((await readAll(source)).equals(BYTES))
  await source.close()
  assert.equal(store.findPartial(map.digest), undefined)
})

test('when the last one gives up, nobody waits for ever', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const source = partial.source()
  const waiting = source.available(0)
  await partial.release()
  await assert.rejects(waiting, { code: 'STORE_CLOSED' })
  await source.close()
})

test('closing the store ends the wait', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(SIGNED)
  const waiting = partial.source().available(0)
  const ended = assert.rejects(waiting, { code: 'STORE_CLOSED' })
  await store.close()
  await ended
})
