import assert from 'node:assert/strict'
import { once } from 'node:events'
import { PassThrough, Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { it } from 'node:test'
import fc from 'fast-check'
import { RequestBody } from '../src/request-body.ts'
import { exactly } from '../src/upload-range.ts'

const settled = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))

it('fills buffers of any size with pieces of any size', async () => {
  const pieces = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 20 })
  const sizes = fc.array(fc.integer({ min: 1, max: 120 }), { minLength: 1, maxLength: 5 })
  await fc.assert(
    fc.asyncProperty(pieces, sizes, async (sent, targets) => {
      const body = new RequestBody(Readable.from(sent, { objectMode: false }))
      const came: Uint8Array[] = []
      for (let turn = 0; ; turn++) {
        const target = new Uint8Array(targets[turn % targets.length] ?? 1)
        const length = await body.fill(target)
        if (length === 0) break
        came.push(target.subarray(0, length))
        if (length < target.length) assert.equal(await body.fill(target), 0, 'only the end leaves a buffer unfilled')
      }
      assert.deepEqual(Buffer.concat(came), Buffer.concat(sent))
    })
  )
})

it('can be read piece by piece', async () => {
  const bytes = Buffer.alloc(200_000, 'abc')
  assert.deepEqual(await buffer(new RequestBody(Readable.from([bytes, bytes]))), Buffer.concat([bytes, bytes]))
})

it('holds the client back while nobody waits', async () => {
  const raw = new PassThrough()
  const body = new RequestBody(raw)
  const target = new Uint8Array(10)
  const filled = body.fill(target)
  raw.write(Buffer.alloc(8, 1))
  raw.write(Buffer.alloc(8, 2))
  assert.equal(await filled, 10)
  assert.equal(raw.isPaused(), true)
  let accepted = 0
  while (raw.write(Buffer.alloc(1000))) accepted += 1000
  await settled()
  assert.ok(accepted < 3 * raw.readableHighWaterMark, `${accepted} bytes went on`)
  assert.equal(await body.fill(target), 10)
  assert.deepEqual([...target], [2, 2, 2, 2, 2, 2, 0, 0, 0, 0])
})

it('gives what came before an error, and then the error', async () => {
  for (const end of ['error', 'close'] as const) {
    const raw = new PassThrough()
    const body = new RequestBody(raw)
    const target = new Uint8Array(10)
    const filled = body.fill(target)
    raw.write(Buffer.of(1, 2, 3))
    await settled()
    raw.destroy(end === 'error' ? new Error('the client went away') : undefined)
    assert.equal(await filled, 3)
    await assert.rejects(body.fill(target), /the client went away/)
    await assert.rejects(new RequestBody(raw).fill(target), /the client went away/, 'however late one asks')
  }
})

it('touches no buffer once it is closed, and leaves the rest to others', async () => {
  const raw = new PassThrough()
  const body = new RequestBody(raw)
  const target = new Uint8Array(10)
  const filled = body.fill(target)
  raw.write(Buffer.of(1))
  await settled()
  body.close(new Error('a newer request goes on'))
  await assert.rejects(filled, /a newer request/, 'what was not given by then is not given any more')
  await assert.rejects(body.fill(target), /a newer request/)
  const rest = raw.toArray()
  raw.end(Buffer.of(2))
  assert.deepEqual(Buffer.concat(await rest), Buffer.of(2))
  assert.deepEqual([...target.subarray(0, 2)], [1, 0])
})

it('does not take a body that was closed with a rest for one that came whole', async () => {
  const raw = new PassThrough()
  const body = new RequestBody(raw)
  const ended = once(raw, 'end')
  raw.end(Buffer.alloc(20, 1))
  const target = new Uint8Array(10)
  assert.equal(await body.fill(target), 10)
  await ended
  body.close(new Error('a newer request goes on'))
  await assert.rejects(body.fill(target), /a newer request/)
})

it('insists on a length', async () => {
  const target = new Uint8Array(10)
  for (const sent of [4, 6]) {
    const body = new RequestBody(Readable.from([Buffer.alloc(sent - 3), Buffer.alloc(3)]), exactly(5))
    assert.equal(await body.fill(target), sent === 4 ? 4 : 3, 'no byte too many passes')
    await assert.rejects(body.fill(target), { code: 'SIZE_INVALID' })
  }
  const body = new RequestBody(Readable.from([Buffer.alloc(5)]), exactly(5))
  assert.equal(await body.fill(target), 5)
  assert.equal(await body.fill(target), 0)
})
