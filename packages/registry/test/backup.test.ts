import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { digestOf } from '@shoal/oci'
import { readSnapshot, type SnapshotHeader, type SnapshotRecord } from '@shoal/registry'
import { adoptSnapshot } from '../src/backup/adopt-snapshot.ts'
import { snapshotStream } from '../src/backup/backup-routes.ts'
import { BACKUP_IDLE_MS, Backups, MAX_BACKUPS } from '../src/backup/backups.ts'
import { writeSnapshot } from '../src/backup/snapshot-text.ts'
import { MemoryMetadata } from '../src/memory-metadata.ts'
import type { Metadata } from '../src/metadata.ts'
import { collect, postGc } from './gc-harness.ts'
import { basic, type Harness, json, pushImage, startRegistry } from './harness.ts'

const A = digestOf(Buffer.from('a'))
const B = digestOf(Buffer.from('b'))
const HEADER: SnapshotHeader = { takenAt: '2026-01-02T03:04:05Z', peerId: 'peer' }

async function begin({ request }: Harness): Promise<string> {
  const response = await request('/api/v1/backups', { method: 'POST', headers: basic() })
  assert.equal(response.status, 201)
  return `/api/v1/backups/${(await json<{ id: string }>(response)).id}`
}

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function recordsOf(metadata: Metadata): Promise<SnapshotRecord[]> {
  const snapshot = await metadata.snapshot()
  return await Array.fromAsync(snapshot.records())
}

describe('a backup', () => {
  it('is of one instant, and all that it names can be had until it is ended', async (t) => {
    const harness = await startRegistry(t)
    const { digest } = await pushImage(harness, 'app', 'v1')
    const layer = digestOf(Buffer.from('layer of app'))
    const backup = await begin(harness)
    await pushImage(harness, 'app', 'v2')
    for (const path of [`manifests/${digest}`, `blobs/${layer}`]) {
      const deleted = await harness.request(`/v2/app/${path}`, { method: 'DELETE', headers: basic() })
      assert.equal(deleted.status, 202)
    }
    const refused = await postGc(harness, { graceSeconds: 0 })
    assert.equal(refused.status, 409)
    assert.match(await refused.text(), /backup/)
    const text = await harness.request(`${backup}/snapshot`, { headers: basic() })
    const [header, ...records] = await Array.fromAsync(readSnapshot(one(await text.bytes())))
    assert.ok(header !== undefined && 'peerId' in header && header.peerId === 'peer')
    const tags = records.flatMap((record) => ('kind' in record && record.kind === 'tag' ? [record.tag] : []))
    assert.deepEqual(
      tags.map((tag) => [tag.tag, tag.digest]),
      [['v1', digest]]
    )
    for (const each of [digest, layer]) {
      const blob = await harness.request(`${backup}/blobs/${each}`, { headers: basic() })
      assert.equal(digestOf(await blob.bytes()), each)
    }
    assert.equal((await harness.request(backup, { method: 'DELETE', headers: basic() })).status, 204)
    assert.equal((await harness.request(`${backup}/blobs/${digest}`, { headers: basic() })).status, 404)
    assert.equal((await collect(harness, { untagged: true })).status, 'done')
    assert.equal(await harness.store.stat(digest), undefined)
  })

  it('is for the administrator only', async (t) => {
    const harness = await startRegistry(t)
    assert.equal((await harness.request('/api/v1/backups', { method: 'POST' })).status, 401)
    const backup = await begin(harness)
    for (const path of ['/snapshot', `/blobs/${A}`]) assert.equal((await harness.request(backup + path)).status, 401)
    assert.equal((await harness.request(backup, { method: 'DELETE' })).status, 401)
  })

  it('does not outlive its registry', async (t) => {
    const harness = await startRegistry(t)
    const backup = await begin(harness)
    await harness.registry.stop()
    await harness.registry.start()
    assert.equal((await harness.request(`${backup}/snapshot`, { headers: basic() })).status, 404)
  })

  it('is given up when nobody asks for it, not while it is used, and there are not too many', async () => {
    const [timers, held] = [new Set<() => void>(), { count: 0 }]
    const after = (ms: number, task: () => void) => {
      assert.equal(ms, BACKUP_IDLE_MS)
      timers.add(task)
      return () => void timers.delete(task)
    }
    const hold = async () => {
      held.count++
      return async () => void held.count--
    }
    const clock = { now: () => 0, after, every: () => () => undefined }
    const backups = new Backups({ metadata: new MemoryMetadata(), collector: { hold }, clock })
    const ids = await Promise.all(Array.from({ length: MAX_BACKUPS + 1 }, () => backups.open()))
    assert.equal(ids.filter((id) => id !== undefined).length, MAX_BACKUPS)
    const [id = ''] = ids
    const using = Promise.withResolvers<void>()
    const used = backups.use(id, async () => await using.promise)
    assert.equal(timers.size, MAX_BACKUPS - 1)
    using.resolve()
    await used
    for (const task of timers) task()
    await new Promise(setImmediate)
    assert.equal(backups.has(id), false)
    assert.equal(held.count, 0)
  })
})

describe('the stream of a snapshot', () => {
  it('lets go of the backup when its client goes away before the first line', async () => {
    let idle = 0
    const after = () => {
      idle++
      return () => void idle--
    }
    const clock = { now: () => 0, after, every: () => () => undefined }
    const collector = { hold: async () => async () => undefined }
    const backups = new Backups({ metadata: new MemoryMetadata(), collector, clock })
    const id = (await backups.open()) ?? ''
    const stream = await snapshotStream({ backups, mesh: () => ({ peerId: 'peer' }), now: () => 0 }, id)
    assert.equal(idle, 0)
    const closed = new Promise((resolve) => stream.once('close', resolve))
    stream.destroy()
    await closed
    await new Promise(setImmediate)
    assert.equal(idle, 1)
  })
})

describe('a snapshot', () => {
  async function written(t: TestContext): Promise<Buffer> {
    const metadata = new MemoryMetadata()
    t.after(() => metadata.close())
    await metadata.linkBlob('app', A, 7)
    const lines = await Array.fromAsync(writeSnapshot(HEADER, (await metadata.snapshot()).records()))
    return Buffer.from(lines.join(''))
  }

  it('is read as it was written, however its bytes are cut', async (t) => {
    const bytes = await written(t)
    const whole = await Array.fromAsync(readSnapshot(one(bytes)))
    assert.deepEqual(whole, [
      HEADER,
      { kind: 'repository', repository: 'app' },
      { kind: 'blob', repository: 'app', digest: A, size: 7 }
    ])
    async function* pieces(): AsyncGenerator<Uint8Array> {
      for (const byte of bytes) yield Uint8Array.of(byte)
    }
    assert.deepEqual(await Array.fromAsync(readSnapshot(pieces())), whole)
  })

  it('that is cut short, changed or something else is refused', async (t) => {
    const bytes = await written(t)
    const changed = Buffer.from(bytes.toString('utf8').replace('"size":7', '"size":8'))
    const wrong = [bytes.subarray(0, -1), bytes.subarray(0, bytes.indexOf('\n') + 1), changed, Buffer.from('{}\n')]
    for (const each of [...wrong, Buffer.from('hello'), Buffer.alloc(0), Buffer.concat([bytes, bytes])]) {
      await assert.rejects(Array.fromAsync(readSnapshot(one(each))), { code: 'SNAPSHOT_DAMAGED' })
    }
  })
})

describe('metadata that adopts a snapshot', () => {
  it('has what the snapshot names and nothing else, and adopts the next one', async () => {
    const [source, target] = [new MemoryMetadata(), new MemoryMetadata()]
    const manifest = (digest: typeof A, pushedAt: number, subject?: typeof A) => {
      return { digest, mediaType: 'm', size: 1, pushedAt, ...(subject === undefined ? {} : { subject }) }
    }
    await source.linkBlob('app', A, 7)
    await source.putManifest('app', manifest(A, 5), { tags: ['old', 'v1'], references: [B] })
    await source.putManifest('app', manifest(A, 9), { tags: ['new'], references: [B] })
    const referrer = { mediaType: 'm', digest: B, size: 1 }
    await source.putManifest('app', manifest(B, 6, A), { tags: [], references: [], referrer })
    await source.recordPulls([{ repository: 'app', digest: A, pulledAt: 11 }])
    await target.linkBlob('app', B, 3)
    await target.putManifest('gone', manifest(A, 1), { tags: ['v1'], references: [] })
    const adopt = async () => await adoptSnapshot(target, (await source.snapshot()).records())
    const expected = async () => [...(await recordsOf(source)), { kind: 'repository', repository: 'gone' }]
    await adopt()
    assert.deepEqual(await recordsOf(target), await expected())
    await source.putManifest('app', manifest(B, 12, A), { tags: ['v1'], references: [], referrer })
    await source.deleteTag('app', 'old')
    await adopt()
    assert.deepEqual(await recordsOf(target), await expected())
    await source.deleteManifest('app', A)
    await source.unlinkBlob('app', A)
    await adopt()
    assert.deepEqual(await recordsOf(target), await expected())
  })
})
