import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import type { BlobStore } from '../src/blob-store.ts'

const bytes = Buffer.from('some bytes of a blob')
const digest = digestOf(bytes)

async function* pieces(of: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  for (let at = 0; at < of.length; at += 7) yield of.subarray(at, at + 7)
}

async function add(store: BlobStore, of: Uint8Array, as: Digest = digestOf(of)): Promise<void> {
  const ingest = await store.ingest()
  await ingest.append(pieces(of))
  await ingest.finish(as)
}

async function read(store: BlobStore, of: Digest): Promise<Buffer | undefined> {
  const source = await store.open(of)
  if (source === undefined) return undefined
  const target = Buffer.alloc(source.size)
  for (let at = 0; at < source.size; ) at += await source.read(target.subarray(at), at)
  await source.close()
  return target
}

/** What every store has to do that the registry keeps its blobs in. `open` gives an empty one. */
export function blobStoreContract(name: string, open: (t: TestContext) => Promise<BlobStore>): void {
  describe(`blob store: ${name}`, () => {
    it('has what was taken in, under its digest, sha256 or sha512, and counts it', async (t) => {
      const store = await open(t)
      assert.equal(await store.stat(digest), undefined)
      assert.equal(await store.open(digest), undefined)
      const long = digestOf(bytes, 'sha512')
      await add(store, bytes)
      await add(store, bytes, long)
      await add(store, bytes)
      assert.deepEqual(await store.stat(digest), { digest, size: bytes.length })
      assert.deepEqual(await read(store, long), bytes)
      const listed = await Array.fromAsync(store.list())
      assert.deepEqual(listed.map((info) => info.digest).sort(), [digest, long].sort())
      assert.deepEqual([store.usage.blobs, store.usage.bytes], [2, 2 * bytes.length])
      assert.equal((await store.chunkMap(digest))?.map.size, bytes.length)
    })

    it('has nothing of what was not finished, or has another digest or size', async (t) => {
      const store = await open(t)
      const unfinished = await store.ingest()
      await unfinished.append(pieces(bytes))
      assert.equal(await store.stat(digest), undefined)
      await unfinished.abort()
      await unfinished.abort()
      const other = digestOf(Buffer.from('other'))
      await assert.rejects(add(store, bytes, other), { code: 'DIGEST_INVALID' })
      const short = await store.ingest({ size: bytes.length + 1 })
      await short.append(pieces(bytes))
      await assert.rejects(short.finish(digest), { code: 'SIZE_INVALID' })
      const long = await store.ingest({ size: 3 })
      await assert.rejects(long.append(pieces(bytes)), { code: 'SIZE_INVALID' })
      await long.abort()
      await assert.rejects(long.append(pieces(bytes)), { code: 'STORE_CLOSED' })
      assert.deepEqual([store.usage.blobs, await Array.fromAsync(store.list())], [0, []])
    })

    it('goes on with an ingest of the same name, which is open once', async (t) => {
      const store = await open(t)
      const first = await store.ingest({ id: 'upload-one' })
      await first.append(pieces(bytes.subarray(0, 9)))
      await assert.rejects(store.ingest({ id: 'upload-one' }), { code: 'INGEST_BUSY' })
      assert.deepEqual(await store.pendingIngests(), [])
      await first.suspend()
      const [pending] = await store.pendingIngests()
      assert.deepEqual([pending?.id, pending?.received], ['upload-one', 9])
      const second = await store.ingest({ id: 'upload-one' })
      assert.equal(second.received, 9)
      await second.append(pieces(bytes.subarray(9)))
      await second.finish(digest)
      assert.deepEqual(await read(store, digest), bytes)
      const third = await store.ingest({ id: 'upload-two' })
      await third.append(pieces(bytes))
      await third.abort()
      assert.deepEqual(await store.pendingIngests(), [])
    })

    it('keeps what came before a source broke', async (t) => {
      const store = await open(t)
      const ingest = await store.ingest()
      async function* breaking(): AsyncGenerator<Uint8Array, void, void> {
        yield bytes.subarray(0, 5)
        throw new Error('gone')
      }
      await assert.rejects(ingest.append(breaking()), /gone/)
      assert.equal(ingest.received, 5)
      await ingest.append(pieces(bytes.subarray(5)))
      await ingest.finish(digest)
      assert.deepEqual(await read(store, digest), bytes)
    })

    it('drops what came behind a place, and goes on there', async (t) => {
      const store = await open(t)
      const ingest = await store.ingest()
      await ingest.append(pieces(Buffer.concat([bytes.subarray(0, 9), Buffer.from('something else that is longer')])))
      await ingest.rewind(1000)
      assert.equal(ingest.received, 38)
      await ingest.rewind(9)
      assert.equal(ingest.received, 9)
      assert.equal(await ingest.read(Buffer.alloc(100), 0), 9)
      await ingest.append(pieces(bytes.subarray(9)))
      await ingest.finish(digest)
      assert.deepEqual(await read(store, digest), bytes)
      const shorter = await store.ingest()
      await shorter.append(pieces(bytes))
      await shorter.rewind(4)
      await shorter.finish(digestOf(bytes.subarray(0, 4)))
      assert.deepEqual(await read(store, digestOf(bytes.subarray(0, 4))), bytes.subarray(0, 4))
      await assert.rejects(shorter.rewind(1), { code: 'STORE_CLOSED' })
    })

    it('deletes a blob once, and those who read it go on', async (t) => {
      const store = await open(t)
      await add(store, bytes)
      const source = await store.open(digest)
      assert.ok(source)
      assert.equal(await store.delete(digest), true)
      assert.equal(await store.delete(digest), false)
      assert.equal(await store.stat(digest), undefined)
      const target = Buffer.alloc(bytes.length)
      assert.equal(await source.read(target, 0), bytes.length)
      assert.deepEqual(target, bytes)
      await source.close()
      await add(store, bytes)
      assert.deepEqual(await read(store, digest), bytes)
    })
  })
}
