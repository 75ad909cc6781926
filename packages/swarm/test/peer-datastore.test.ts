import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import fc from 'fast-check'
import { MAX_STORED_PEERS, PeerDatastore, PROVIDER_RECORDS } from '../src/node/peer-datastore.ts'
import { MAX_RECORDS, MAX_RECORDS_PER_PEER, RecordCounts } from '../src/node/record-counts.ts'

it('a record of a peer that comes after the end does no harm', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-datastore-'))
  t.after(() => rm(directory, { recursive: true }))
  const datastore = new PeerDatastore(directory, { self: 'self', authority: 'registry' })
  await datastore.open()
  const key = [...(await Array.fromAsync(keysOf(datastore)))][0]
  assert.ok(key)
  await datastore.close()
  await datastore.put(key, Buffer.from('late'))
  await datastore.close()
})

it('keeps so many provider records of a peer and of all peers, over restarts too', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-datastore-'))
  t.after(() => rm(directory, { recursive: true }))
  const open = async () => {
    const datastore = new PeerDatastore(directory, { self: 'self', authority: 'registry' })
    await datastore.open()
    return datastore
  }
  const key = (blob: number, provider: string) =>
    ({ toString: () => `${PROVIDER_RECORDS}${blob}/${provider}` }) as Parameters<PeerDatastore['put']>[0]
  const provide = async (datastore: PeerDatastore, provider: string, count: number) => {
    for (let blob = 0; blob < count; blob++) await datastore.put(key(blob, provider), Buffer.from('now'))
  }
  let datastore = await open()
  await provide(datastore, 'spammer', MAX_RECORDS_PER_PEER + 10)
  await provide(datastore, 'spammer', 10)
  assert.equal(datastore.records, MAX_RECORDS_PER_PEER)
  assert.equal(await datastore.has(key(MAX_RECORDS_PER_PEER, 'spammer')), false)
  for (const exempt of ['self', 'registry']) await provide(datastore, exempt, MAX_RECORDS_PER_PEER + 10)
  assert.equal(await datastore.has(key(MAX_RECORDS_PER_PEER, 'registry')), true)
  assert.equal(await datastore.has(key(MAX_RECORDS_PER_PEER, 'self')), true)
  await datastore.close()
  datastore = await open()
  t.after(() => datastore.close())
  assert.equal(datastore.records, MAX_RECORDS_PER_PEER)
  await datastore.delete(key(0, 'spammer'))
  await datastore.delete(key(0, 'spammer'))
  assert.equal(datastore.records, MAX_RECORDS_PER_PEER - 1)
})

it('counts records as a plain list would', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.constantFrom('a', 'b', 'registry'))), (steps) => {
      const counts = new RecordCounts('registry')
      const list: string[] = []
      for (const [isAdded, peer] of steps) {
        if (isAdded && counts.add(peer)) list.push(peer)
        else if (!isAdded) {
          counts.remove(peer)
          const at = list.indexOf(peer)
          if (at >= 0) list.splice(at, 1)
        }
        assert.equal(counts.size, list.filter((other) => other !== 'registry').length)
      }
    })
  )
})

it('keeps no more than so many records in all, however many peers send them', () => {
  const counts = new RecordCounts('registry')
  let kept = 0
  for (let i = 0; i < MAX_RECORDS + 100; i++) kept += counts.add(`peer ${i}`) ? 1 : 0
  assert.equal(kept, MAX_RECORDS)
  assert.ok(counts.add('registry'))
})

it('does not keep every peer that ever said hello', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-datastore-'))
  t.after(() => rm(directory, { recursive: true }))
  const datastore = new PeerDatastore(directory, { self: 'self', authority: 'registry' })
  await datastore.open()
  t.after(() => datastore.close())
  const hello = (peer: number) => ({ toString: () => `/peers/${peer}` }) as Parameters<PeerDatastore['put']>[0]
  const stored = async () => (await Array.fromAsync(datastore.queryKeys({ prefix: '/peers/' }))).length
  const peers = 2 * MAX_STORED_PEERS
  for (let peer = 0; peer < peers; peer++) {
    await datastore.put(hello(peer), Buffer.from('here'))
    // Asking for the keys writes what was learned.
    if (peer % 4_096 === 4_095) await stored()
  }
  const left = await stored()
  assert.ok(left <= MAX_STORED_PEERS + 4_096, `${left} peers`)
  assert.equal(await datastore.has(hello(peers - 1)), true)
})

/** A key as libp2p makes them: its class is not a dependency of ours. */
async function* keysOf(datastore: PeerDatastore) {
  const name = { toString: () => '/peers/a' } as Parameters<PeerDatastore['put']>[0]
  await datastore.put(name, Buffer.from('early'))
  yield* datastore.queryKeys({ prefix: '/peers/' })
}
