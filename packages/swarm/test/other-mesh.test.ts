import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { ContentStore } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { Exchange } from '../src/blob/exchange.ts'
import { add, connect, createNode, exchangeInitOf, inPieces, MIB, read, replaceExchange } from './exchange-nodes.ts'

describe('an agent that has been a member of another mesh', () => {
  it('does not show this one chunk maps that another registry signed', async (t) => {
    const directory = await mkdtemp(join(tmpdir(), 'shoal-other-'))
    const bytes = randomBytes(3 * MIB)
    const digest = digestOf(bytes)
    const { privateKey } = generateKeyPairSync('ed25519')
    const store = await ContentStore.open({ directory, signer: privateKey })
    const ingest = await store.ingest({ size: bytes.length })
    await ingest.append(inPieces(bytes))
    await ingest.finish(digest)

    const [moved, leech, registry] = [
      await createNode('agent'),
      await createNode('agent'),
      await createNode('registry')
    ]
    const own = exchangeInitOf(moved)
    await moved.exchange.stop()
    const exchange = new Exchange({ ...own, store })
    exchange.start()
    replaceExchange(moved, exchange)
    t.after(async () => {
      await store.close()
      await rm(directory, { recursive: true })
    })
    await add(registry, bytes)
    connect({ ...moved, exchange, store }, leech)
    connect(registry, leech)
    assert.ok((await read(await leech.exchange.fetch(digest))).equals(bytes))
    assert.equal(leech.bans.has(moved.identity.peerId), false, 'it has done nothing wrong')
  })
})
