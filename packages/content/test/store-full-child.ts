// Run by store-full.test.ts with a low limit on the size of files: `store-full-child.ts DIRECTORY`.
import assert from 'node:assert/strict'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { digestOf } from '@shoal/oci'
import { ContentStore, chunkCount } from '../src/index.ts'
import { add, bytesOf, chunkOf, pieces, readBlob, signedMapOf } from './support.ts'

const [directory = ''] = process.argv.slice(2)
const TOO_LARGE_BYTES = 8 * 1024 * 1024

const store = await ContentStore.open({ directory })
const ingest = await store.ingest()
await assert.rejects(ingest.append(pieces(bytesOf(TOO_LARGE_BYTES))), { name: 'StoreFullError', code: 'STORE_FULL' })
const { received } = ingest
assert.ok(received > 0 && received < TOO_LARGE_BYTES, `${received} bytes were kept`)
await assert.rejects(ingest.append(pieces(bytesOf(TOO_LARGE_BYTES))), { code: 'STORE_FULL' })
// With what there is, it can still be finished.
const begun = bytesOf(TOO_LARGE_BYTES).subarray(0, received)
const kept = Buffer.concat([begun, bytesOf(TOO_LARGE_BYTES).subarray(0, ingest.received - received)])
assert.equal((await ingest.finish(digestOf(kept))).size, kept.length)
await store.delete(digestOf(kept))
assert.deepEqual(await readdir(join(directory, 'uploads')), [])
assert.deepEqual(store.usage, { bytes: 0, blobs: 0 })

const bytes = bytesOf(TOO_LARGE_BYTES)
const signed = signedMapOf(bytes)
const partial = await store.partial(signed)
const last = chunkCount(signed.map) - 1
await assert.rejects(partial.put(last, chunkOf(bytes, signed.map, last)), { code: 'STORE_FULL' })
assert.equal(partial.have.count, 0)
assert.equal(await partial.put(0, chunkOf(bytes, signed.map, 0)), 'stored')
await partial.release()

const small = bytesOf(1000)
assert.deepEqual(await readBlob(store, await add(store, small)), small)
await store.close()
