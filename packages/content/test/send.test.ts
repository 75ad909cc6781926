import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import type { BlobSource } from '../src/index.ts'
import { chunkCount, SEND_BUFFER_BYTES, SEND_BUFFERS, sendBlob } from '../src/index.ts'
import { SEND_TURN_BYTES } from '../src/send.ts'
import { add, bytesOf, chunkOf, random, shuffled, signedMapOf, temporaryStore } from './support.ts'

const MiB = 1024 * 1024
const BYTES = bytesOf(3 * MiB + 5)

/** Copies what it is given, and answers each write when told to. */
class Slow extends Writable {
  readonly taken: Buffer[] = []
  readonly writes: (() => void)[] = []
  onWrite: () => void = () => this.answer()

  constructor() {
    super({ highWaterMark: 1 })
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.taken.push(Buffer.from(chunk))
    this.writes.push(done)
    this.onWrite()
  }

  answer(): void {
    const done = this.writes.shift()
    if (done !== undefined) setImmediate(done)
  }
}

async function wholeSource(t: Parameters<typeof temporaryStore>[0]): Promise<BlobSource> {
  const { store } = await temporaryStore(t)
  const source = await store.open(await add(store, BYTES))
  assert.ok(source)
  t.after(async () => await source.close())
  return source
}

test('any range is sent as it is, and the writable stays open', async (t) => {
  const source = await wholeSource(t)
  for (const [start, end] of [
    [0, BYTES.length],
    [0, 0],
    [1, 2],
    [SEND_BUFFER_BYTES - 1, SEND_BUFFER_BYTES + 1],
    [MiB, BYTES.length]
  ] as const) {
    const writable = new Slow()
    let counted = 0
    await sendBlob(source, { start, end }, writable, { onBytes: (n) => (counted += n) })
    assert.deepEqual(Buffer.concat(writable.taken), BYTES.subarray(start, end))
    assert.equal(counted, end - start)
    assert.equal(writable.writableEnded, false)
    assert.deepEqual(
      writable.eventNames().filter((name) => writable.listenerCount(name) > 0),
      []
    )
  }
  for (const [start, end] of [
    [-1, 1],
    [2, 1],
    [0, BYTES.length + 1]
  ] as const) {
    await assert.rejects(sendBlob(source, { start, end }, new Slow()), RangeError)
  }
})

test('a writable that takes nothing holds back the reading', async (t) => {
  const source = await wholeSource(t)
  let read = 0
  const second = Promise.withResolvers<void>()
  const counting: BlobSource = {
    digest: source.digest,
    size: source.size,
    available: async (position) => await source.available(position),
    read: async (target, position) => {
      const length = await source.read(target, position)
      read += length
      if (read >= SEND_BUFFERS * SEND_BUFFER_BYTES) second.resolve()
      return length
    },
    close: async () => await source.close()
  }
  const writable = new Slow()
  writable.onWrite = () => undefined
  const sent = sendBlob(counting, { start: 0, end: source.size }, writable)
  await second.promise
  await new Promise(setImmediate)
  assert.equal(read, SEND_BUFFERS * SEND_BUFFER_BYTES)
  writable.onWrite = () => writable.answer()
  writable.answer()
  await sent
  assert.deepEqual(Buffer.concat(writable.taken), BYTES)
})

test('a blob that still arrives is sent as it comes, over real HTTP', async (t) => {
  const { store } = await temporaryStore(t)
  const signed = signedMapOf(BYTES)
  const partial = await store.partial(signed)
  const server = createServer((_, response) => {
    const source = partial.source()
    sendBlob(source, { start: 100, end: source.size }, response)
      .then(() => response.end())
      .finally(() => source.close())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const bodies = Array.from({ length: 4 }, async () => {
    const outgoing = request({ port, host: '127.0.0.1' })
    outgoing.end()
    const [response] = await once(outgoing, 'response')
    return await buffer(response)
  })
  for (const index of shuffled(Array(chunkCount(signed.map)).keys(), random(5))) {
    await partial.put(index, chunkOf(BYTES, signed.map, index))
  }
  for (const body of await Promise.all(bodies)) assert.ok(body.equals(BYTES.subarray(100)))
})

test('a receiver that goes away ends the transfer, also while it waits', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(signedMapOf(BYTES))
  const source = partial.source()
  const writable = new Slow()
  const waiting = sendBlob(source, { start: 0, end: source.size }, writable)
  writable.destroy()
  await assert.rejects(waiting, { code: 'SEND_INTERRUPTED' })
  await assert.rejects(sendBlob(source, { start: 0, end: 1 }, writable), { code: 'SEND_INTERRUPTED' })
  await source.close()

  const whole = await wholeSource(t)
  const stuck = new Slow()
  stuck.onWrite = () => stuck.destroy()
  await assert.rejects(sendBlob(whole, { start: 0, end: whole.size }, stuck), { code: 'SEND_INTERRUPTED' })
  const broken = new Slow()
  broken.onWrite = () => broken.destroy(new Error('reset'))
  broken.on('error', () => undefined)
  await assert.rejects(sendBlob(whole, { start: 0, end: whole.size }, broken), { code: 'SEND_INTERRUPTED' })
})

test('a signal ends the transfer, and a source that fails passes its error on', async (t) => {
  const { store } = await temporaryStore(t)
  const partial = await store.partial(signedMapOf(BYTES))
  const controller = new AbortController()
  const aborted = sendBlob(partial.source(), { start: 0, end: 1 }, new Slow(), { signal: controller.signal })
  const failing = sendBlob(partial.source(), { start: 0, end: 1 }, new Slow())
  controller.abort(new Error('shutting down'))
  await assert.rejects(aborted, /shutting down/)
  partial.fail(new Error('no peers'))
  await assert.rejects(failing, /no peers/)
})

test('a transfer that never has to wait lets others have their turn', async () => {
  const size = 8 * SEND_TURN_BYTES
  const source: BlobSource = {
    digest: digestOf(BYTES),
    size,
    available: async (position) => size - position,
    read: async (target) => target.length,
    close: async () => undefined
  }
  const greedy = new Writable({ write: (_chunk, _encoding, done) => done() })
  let turns = 0
  let over = false
  const others = (): void => {
    turns++
    if (!over) setImmediate(others)
  }
  setImmediate(others)
  await sendBlob(source, { start: 0, end: size }, greedy)
  over = true
  assert.ok(turns >= 7, `${turns} turns`)
})

test('a blob is the same whether the main thread reads it or another', async (t) => {
  const { store } = await temporaryStore(t)
  const digest = await add(store, BYTES)
  const source = await store.open(digest)
  assert.ok(source)
  t.after(async () => await source.close())
  const whole = Buffer.alloc(BYTES.length)
  // More than the main thread reads at a time, and less.
  assert.equal(await source.read(whole, 0), BYTES.length)
  assert.deepEqual(whole, BYTES)
  const part = Buffer.alloc(SEND_BUFFER_BYTES)
  assert.equal(await source.read(part, 12345), part.length)
  assert.deepEqual(part, BYTES.subarray(12345, 12345 + part.length))
  assert.equal(await source.read(part, BYTES.length), 0)
})
