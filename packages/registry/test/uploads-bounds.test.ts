import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import type { Ingest, PendingIngest } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { MemoryMetadata } from '../src/memory-metadata.ts'
import { UPLOAD_IDLE_MS, UPLOAD_YIELD_MS, UPLOADS_MAX, Uploads, type UploadsInit } from '../src/uploads.ts'

/** A store whose ingests count and do nothing else. */
function fakeStore(): { ingest: () => Promise<Ingest>; pendingIngests: () => Promise<PendingIngest[]>; open: number } {
  const store = {
    open: 0,
    pendingIngests: async (): Promise<PendingIngest[]> => [],
    async ingest(): Promise<Ingest> {
      store.open++
      let received = 0
      let isOver = false
      const end = (): void => {
        if (!isOver) store.open--
        isOver = true
      }
      return {
        get received() {
          return received
        },
        busy: false,
        async append(source, options) {
          for await (const piece of source) {
            options?.signal?.throwIfAborted()
            received += piece.length
          }
          return received
        },
        async rewind(length) {
          received = Math.min(received, length)
        },
        read: async () => 0,
        async finish(digest) {
          end()
          return { digest, size: received }
        },
        async abort() {
          end()
        },
        async suspend() {
          end()
        }
      }
    }
  }
  return store
}

function made(init: Partial<UploadsInit>): Uploads {
  const records = new MemoryMetadata().uploads
  return new Uploads({ store: fakeStore(), records, onError: assert.ifError, now: () => 0, ...init })
}

async function* once(text: string): AsyncGenerator<Uint8Array, void, void> {
  yield Buffer.from(text)
}

it('has the limits that it documents', () => {
  assert.deepEqual([UPLOADS_MAX, UPLOAD_IDLE_MS], [1024, 86_400_000])
})

it('opens nothing for an upload that has no bytes', async () => {
  const store = fakeStore()
  const uploads = made({ store, now: () => 0 })
  const upload = await uploads.begin('app')
  assert.equal(store.open, 0)
  await upload.turn(async (turn) => await turn.append(once('x')))
  assert.equal(store.open, 1)
  await upload.abort()
  assert.equal(store.open, 0)
})

it('refuses one upload too many, and has room when one is finished', async () => {
  const uploads = made({ now: () => 0, max: 2 })
  const first = await uploads.begin('app')
  await uploads.begin('app')
  await assert.rejects(uploads.begin('app'), { code: 'TOOMANYREQUESTS', status: 429 })
  await first.turn(async (turn) => await turn.finish(digestOf(Buffer.alloc(0)), async (make) => void (await make())))
  await uploads.begin('app')
  assert.equal(uploads.count, 2)
})

it('makes room by dropping the upload that was idle for longest', async () => {
  let now = 0
  const uploads = made({ now: () => now, max: 2 })
  const oldest = await uploads.begin('app')
  now = 1
  const newer = await uploads.begin('app')
  now = UPLOAD_YIELD_MS
  await uploads.begin('app')
  assert.throws(() => uploads.find('app', oldest.id), { code: 'BLOB_UPLOAD_UNKNOWN' })
  assert.equal(uploads.find('app', newer.id), newer)
})

it('drops what was idle for too long, and nothing that is in use', async () => {
  let now = 0
  const store = fakeStore()
  const uploads = made({ store, now: () => now, idleMs: 100 })
  const idle = await uploads.begin('app')
  await idle.turn(async (turn) => await turn.append(once('x')))
  const used = await uploads.begin('app')
  const { promise, resolve } = Promise.withResolvers<void>()
  const use = used.turn(async () => await promise)
  now = 99
  await uploads.expire()
  assert.equal(uploads.count, 2)
  now = 100
  await uploads.expire()
  assert.throws(() => uploads.find('app', idle.id), { code: 'BLOB_UPLOAD_UNKNOWN' })
  assert.equal(uploads.find('app', used.id), used)
  assert.equal(store.open, 0)
  resolve()
  await use
  now = 199
  await uploads.expire()
  assert.equal(uploads.count, 1)
})

it('gives turns one after the other, and none once it is over', async () => {
  const uploads = made({ now: () => 0 })
  const upload = await uploads.begin('app')
  const order: string[] = []
  const { promise, resolve } = Promise.withResolvers<void>()
  const first = upload.turn(async () => {
    order.push('first')
    await promise
    order.push('first ends')
  })
  const second = upload.turn(async (turn) => {
    order.push('second')
    await turn.finish(digestOf(Buffer.alloc(0)), async (make) => void (await make()))
  })
  const third = upload.turn(async () => order.push('third'))
  const refused = assert.rejects(third, { code: 'BLOB_UPLOAD_UNKNOWN' })
  await setImmediate()
  resolve()
  await first
  // The third one took over before the second one had begun to send.
  await assert.rejects(second, { code: 'BLOB_UPLOAD_INVALID', status: 409 })
  await upload.abort()
  assert.deepEqual(order.slice(0, 3), ['first', 'first ends', 'second'])
  await Promise.allSettled([refused, third])
})
