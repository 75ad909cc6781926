import assert from 'node:assert/strict'
import { type FileHandle, open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { digestOf } from '@shoal/oci'
import { BufferPool } from '../src/buffer-pool.ts'
import { EARLY_SYNC_BYTES, EARLY_SYNCS_MAX, EarlySync, EarlySyncs } from '../src/early-sync.ts'
import { FileIngest } from '../src/file-ingest.ts'
import { FreeSpace } from '../src/free-space.ts'
import { StoreFullError } from '../src/index.ts'
import { bytesOf, pieces, temporaryDirectory } from './support.ts'

/** A file whose syncs end when the test says so. */
class Disk {
  readonly early: PromiseWithResolvers<void>[] = []
  synced = 0

  async datasync(): Promise<void> {
    const sync = Promise.withResolvers<void>()
    this.early.push(sync)
    await sync.promise
  }

  async sync(): Promise<void> {
    this.synced++
  }
}

test('a file that grows is synced in steps, one at a time', async () => {
  const disk = new Disk()
  const sync = new EarlySync(disk, new EarlySyncs())
  sync.grown(EARLY_SYNC_BYTES - 1)
  assert.equal(disk.early.length, 0)
  sync.grown(1)
  assert.equal(disk.early.length, 1)
  sync.grown(3 * EARLY_SYNC_BYTES)
  assert.equal(disk.early.length, 1, 'one is under way')
  disk.early[0]?.resolve()
  await sync.idle()
  sync.grown(1)
  assert.equal(disk.early.length, 2, 'what came meanwhile counts')
  const finished = sync.finish()
  assert.equal(disk.synced, 0, 'the last one waits')
  disk.early[1]?.resolve()
  await finished
  assert.equal(disk.synced, 1)
})

test('few files are synced early at a time, and the next has its turn later', async () => {
  const disk = new Disk()
  const syncs = new EarlySyncs()
  const files = Array.from({ length: EARLY_SYNCS_MAX + 1 }, () => new EarlySync(disk, syncs))
  for (const file of files) file.grown(EARLY_SYNC_BYTES)
  assert.equal(disk.early.length, EARLY_SYNCS_MAX)
  disk.early[0]?.resolve()
  await files[0]?.idle()
  files.at(-1)?.grown(1)
  assert.equal(disk.early.length, EARLY_SYNCS_MAX + 1)
  for (const { resolve } of disk.early) resolve()
})

test('an early sync that failed fails the last one, until the file is begun again', async () => {
  const disk = new Disk()
  const sync = new EarlySync(disk, new EarlySyncs())
  sync.grown(EARLY_SYNC_BYTES)
  disk.early[0]?.reject(new Error('EIO'))
  await sync.idle()
  await assert.rejects(sync.finish(), /EIO/)
  assert.equal(disk.synced, 0)
  sync.reset()
  await sync.finish()
  assert.equal(disk.synced, 1)
})

test('when the disk could not keep what came, it has to come again', async (t) => {
  const path = join(await temporaryDirectory(t), 'upload')
  const file = await open(path, 'w+')
  const bytes = bytesOf(EARLY_SYNC_BYTES + 100)
  let failures = 1
  // Such a disk says so once: the next sync seems to succeed.
  const faulty: FileHandle = new Proxy(file, {
    get(target, key) {
      if (key === 'sync' && failures-- > 0) {
        return async () => await Promise.reject(Object.assign(new Error('no space'), { code: 'ENOSPC' }))
      }
      const value: unknown = Reflect.get(target, key)
      return typeof value === 'function' ? value.bind(target) : value
    }
  })
  const made: string[] = []
  const ingest = new FileIngest({
    file: faulty,
    path,
    received: 0,
    named: true,
    size: undefined,
    algorithm: 'sha256',
    onReceived: undefined,
    chunked: true,
    pool: new BufferPool(),
    space: new FreeSpace(join(path, '..')),
    syncs: new EarlySyncs(),
    commit: async (sync, _, { digest }) => {
      await sync()
      made.push(digest)
    },
    onOver: () => undefined
  })
  await ingest.append(pieces(bytes))
  const digest = digestOf(bytes)
  await assert.rejects(ingest.finish(digest), StoreFullError)
  assert.equal(ingest.received, 0)
  assert.deepEqual(made, [])
  await ingest.append(pieces(bytes))
  assert.deepEqual(await ingest.finish(digest), { digest, size: bytes.length })
  assert.deepEqual(made, [digest])
})
