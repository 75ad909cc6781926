import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { PeerDatastore } from '../src/node/peer-datastore.ts'

it('a record of a peer that comes after the end does no harm', async (t) => {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-datastore-'))
  t.after(() => rm(directory, { recursive: true }))
  const datastore = new PeerDatastore(directory)
  await datastore.open()
  const key = [...(await Array.fromAsync(keysOf(datastore)))][0]
  assert.ok(key)
  await datastore.close()
  await datastore.put(key, Buffer.from('late'))
  await datastore.close()
})

/** A key as libp2p makes them: its class is not a dependency of ours. */
async function* keysOf(datastore: PeerDatastore) {
  const name = { toString: () => '/peers/a' } as Parameters<PeerDatastore['put']>[0]
  await datastore.put(name, Buffer.from('early'))
  yield* datastore.queryKeys({ prefix: '/peers/' })
}
