import assert from 'node:assert/strict'
import { test } from 'node:test'
import { byteReader } from '../src/byte-reader.ts'

async function* breaking(): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.of(1, 2, 3)
  yield Buffer.of(4, 5)
  throw new Error('connection reset')
}

test('pieces fill buffers of another size; what came before an error passes', async () => {
  const reader = byteReader(breaking())
  const target = new Uint8Array(4)
  assert.equal(await reader.fill(target), 4)
  assert.deepEqual([...target], [1, 2, 3, 4])
  assert.equal(await reader.fill(target), 1)
  assert.deepEqual([...target], [5, 2, 3, 4])
  for (let time = 0; time < 2; time++) await assert.rejects(reader.fill(target), /connection reset/)
})

test('a reader that is closed touches its buffer no more, though its source goes on', async () => {
  const late = Promise.withResolvers<IteratorResult<Uint8Array, unknown>>()
  const asked = Promise.withResolvers<void>()
  const source = {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        asked.resolve()
        return await late.promise
      }
    })
  }
  const reader = byteReader(source)
  const target = new Uint8Array(4)
  const filled = reader.fill(target)
  await asked.promise
  reader.close(new Error('cancelled'))
  await assert.rejects(filled, /cancelled/)
  late.resolve({ done: false, value: Buffer.of(9, 9, 9, 9) })
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual([...target], [0, 0, 0, 0])
  await assert.rejects(reader.fill(target), /cancelled/)
})
