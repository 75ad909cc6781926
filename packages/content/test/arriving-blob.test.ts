import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { digestOf } from '@shoal/oci'
import { ArrivingBlob, type ContentStore, HELD_BACK_BYTES } from '../src/index.ts'
import { bytesOf, temporaryStore } from './support.ts'

const bytes = bytesOf(400_000)
const digest = digestOf(bytes)

async function* once(piece: Uint8Array): AsyncGenerator<Uint8Array> {
  yield piece
}

async function begin(t: TestContext, id?: string): Promise<{ store: ContentStore; blob: ArrivingBlob }> {
  const { store } = await temporaryStore(t)
  const blob = await ArrivingBlob.begin({ store, digest, size: bytes.length, ...(id === undefined ? {} : { id }) })
  return { store, blob }
}

describe('a blob that arrives', () => {
  it('is read while it comes, but for its last bytes, which wait for the digest', async (t) => {
    const { blob } = await begin(t)
    const source = blob.source()
    const first = source.available(0)
    await blob.append(once(bytes.subarray(0, 100_000)))
    assert.equal(await first, 100_000)
    const target = Buffer.alloc(bytes.length)
    assert.equal(await source.read(target, 0), 100_000)
    await blob.append(once(bytes.subarray(100_000)))
    assert.equal(await source.available(0), bytes.length - HELD_BACK_BYTES)
    const last = source.available(bytes.length - 1)
    await blob.finish()
    assert.equal(await last, 1)
    for (let at = 100_000; at < bytes.length; ) at += await source.read(target.subarray(at), at)
    assert.deepEqual(target, bytes)
    await source.close()
    await assert.rejects(source.available(0), { code: 'STORE_CLOSED' })
  })

  it('gives its last bytes once the digest is right, and is read on while it is made durable', async (t) => {
    const { store } = await temporaryStore(t)
    const durable = Promise.withResolvers<void>()
    const blob = await ArrivingBlob.begin({
      store: {
        open: async (of) => await store.open(of),
        async ingest(options) {
          const ingest = await store.ingest(options)
          const { finish } = ingest
          // Makes all durable as before, but says so later.
          ingest.finish = async (...given) => {
            const info = await finish.apply(ingest, given)
            await durable.promise
            return info
          }
          return ingest
        }
      },
      digest,
      size: bytes.length
    })
    await blob.append(once(bytes))
    const source = blob.source()
    const last = source.available(bytes.length - 1)
    const finished = blob.finish()
    assert.equal(await last, 1)
    assert.equal(blob.whole, false)
    const target = Buffer.alloc(1)
    const reading = source.read(target, bytes.length - 1)
    durable.resolve()
    assert.equal(await reading, 1)
    assert.equal(target[0], bytes.at(-1))
    await finished
    await blob.ended
    assert.equal(blob.whole, true)
    await source.close()
  })

  it('never gives the last bytes of what has another digest, and leaves nothing of it', async (t) => {
    const { store, blob } = await begin(t, 'fill-wrong')
    const wrong = Buffer.from(bytes)
    wrong[5] = 255 - Number(wrong[5])
    await blob.append(once(wrong))
    const source = blob.source()
    const last = source.available(bytes.length - HELD_BACK_BYTES)
    await assert.rejects(blob.finish(), { code: 'DIGEST_INVALID' })
    await blob.fail(new Error('wrong bytes'))
    await assert.rejects(last, /wrong bytes/)
    await assert.rejects(source.read(Buffer.alloc(1), 0), /wrong bytes/)
    await source.close()
    assert.equal(await store.stat(digest), undefined)
    assert.deepEqual(await store.pendingIngests(), [])
  })

  it('goes on, under its name, with what came before it failed', async (t) => {
    const { store, blob } = await begin(t, 'fill-again')
    await blob.append(once(bytes.subarray(0, 70_000)))
    await blob.fail(new Error('broken'))
    const again = await ArrivingBlob.begin({ store, digest, size: bytes.length, id: 'fill-again' })
    assert.equal(again.received, 70_000)
    await again.append(once(bytes.subarray(70_000)))
    assert.deepEqual(await again.finish(), { digest, size: bytes.length })
  })

  it('lets a waiting reader give up', async (t) => {
    const { blob } = await begin(t)
    const source = blob.source()
    await assert.rejects(source.available(0, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
    await source.close()
    await blob.fail(new Error('over'))
  })
})
