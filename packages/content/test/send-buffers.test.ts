import assert from 'node:assert/strict'
import test from 'node:test'
import { SEND_LARGE_BUFFERS_MAX, SEND_SMALL_BUFFER_BYTES, SendBuffers } from '../src/send-buffers.ts'

test('so many transfers get large buffers, and the others small ones', () => {
  const buffers = new SendBuffers(1 << 18)
  const large = Array.from({ length: SEND_LARGE_BUFFERS_MAX }, () => buffers.take())
  assert.ok(large.every((buffer) => buffer.length === 1 << 18))
  assert.equal(buffers.usedBytes, SEND_LARGE_BUFFERS_MAX << 18)
  const small = buffers.take()
  assert.equal(small.length, SEND_SMALL_BUFFER_BYTES)
  buffers.give(small)
  assert.equal(buffers.take().length, SEND_SMALL_BUFFER_BYTES)
  const [first, second] = large
  assert.ok(first !== undefined && second !== undefined)
  buffers.give(first)
  assert.equal(buffers.freeBytes, 1 << 18)
  assert.equal(buffers.take(), first)
  buffers.forget(second)
  const fresh = buffers.take()
  assert.equal(fresh.length, 1 << 18)
  assert.notEqual(fresh, second)
  assert.equal(buffers.take().length, SEND_SMALL_BUFFER_BYTES)
})
