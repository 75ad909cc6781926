import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import type { CID } from 'multiformats/cid'
import { Exchange } from '../src/blob/exchange.ts'
import type { Fallback } from '../src/blob/fallback.ts'
import type { Clock } from '../src/clock.ts'
import { contentKey } from '../src/discovery/content-key.ts'
import { DhtDirectory, LOOKUP_FRESH_MS } from '../src/discovery/dht-directory.ts'
import { findPeers } from '../src/discovery/find-peers.ts'
import { BATCH_MS, HOLDINGS_BATCH_MS, RendezvousClient } from '../src/discovery/rendezvous-client.ts'
import { decodeRendezvousRequest, encodeRendezvousAnswer } from '../src/discovery/rendezvous-messages.ts'
import type { PeerAddress } from '../src/exchange/frame.ts'
import { silentLogger } from '../src/logger.ts'
import { add, connect, createNode, exchangeInitOf, MIB, read, replaceExchange } from './exchange-nodes.ts'
import { ManualClock } from './manual-clock.ts'

const digests = Array.from({ length: 40 }, (_, i) => digestOf(Buffer.from(`blob ${i}`)))
const never = new Promise<never>(() => undefined)

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the rendezvous', () => {
  it('is asked in one message for all blobs of an image, and not again when they are fetched', async () => {
    const clock = new ManualClock()
    const asked: (readonly Digest[])[] = []
    const ask = (message: Uint8Array) => {
      const { want } = decodeRendezvousRequest(message)
      asked.push(want)
      return Promise.resolve(encodeRendezvousAnswer({ peers: want.map(() => []) }))
    }
    const client = new RendezvousClient({ clock, logger: silentLogger, ask })
    const expected = digests.map((digest) => client.find(digest))
    clock.advance(BATCH_MS)
    await Promise.all(expected)
    await Promise.all(digests.map((digest) => client.find(digest)))
    clock.advance(BATCH_MS)
    assert.deepEqual(asked, [digests])
  })

  it('tells what is held later, or beside what is wanted', async () => {
    const clock = new ManualClock()
    const told: { want: readonly Digest[]; have: readonly Digest[] }[] = []
    const ask = (message: Uint8Array) => {
      const { want, have } = decodeRendezvousRequest(message)
      told.push({ want, have })
      return Promise.resolve(encodeRendezvousAnswer({ peers: want.map(() => []) }))
    }
    const client = new RendezvousClient({ clock, logger: silentLogger, ask })
    const [first, second, third] = digests.slice(0, 3) as [Digest, Digest, Digest]
    client.have(first)
    clock.advance(HOLDINGS_BATCH_MS - BATCH_MS - 1)
    assert.deepEqual(told, [])
    const found = client.find(second)
    clock.advance(BATCH_MS)
    await found
    assert.deepEqual(told, [{ want: [second], have: [first] }])
    client.have(third)
    clock.advance(HOLDINGS_BATCH_MS)
    assert.deepEqual(told[1], { want: [], have: [third] })
  })
})

describe('discovery', () => {
  it('does not wait for one way to try another', async () => {
    const linked: string[] = []
    const link = (peers: readonly PeerAddress[]) => {
      linked.push(...peers.map(({ peerId }) => peerId))
      return Promise.resolve()
    }
    async function* silentDht(): AsyncGenerator<PeerAddress> {
      yield await never
    }
    async function* dht(): AsyncGenerator<PeerAddress> {
      yield { peerId: 'by-dht', addresses: [] }
    }
    void findPeers({ rendezvous: () => never, dht, link })
    void findPeers({ rendezvous: () => Promise.resolve([{ peerId: 'named', addresses: [] }]), dht: silentDht, link })
    await settled()
    assert.deepEqual(linked.sort(), ['by-dht', 'named'])
    await findPeers({ rendezvous: () => Promise.reject(new Error('no link')), dht, link })
    assert.equal(linked.length, 3)
  })

  it('and a registry that is gone cost nothing when a connected peer has the blob', async () => {
    const [registry, holder, a] = [await createNode('registry'), await createNode('agent'), await createNode('agent')]
    const blobs = [randomBytes(MIB / 2), randomBytes(3 * MIB)]
    connect(holder, registry)
    for (const bytes of blobs) await read(await holder.exchange.fetch(await add(registry, bytes)))
    await Promise.all(blobs.map((bytes) => holder.exchange.completion(digestOf(bytes))))
    await registry.exchange.stop()

    // No timer ever fires and nobody outside answers: whatever would wait for either waits for ever.
    const clock: Clock = { now: () => 0, after: () => () => undefined, every: () => () => undefined }
    const silent: Fallback = { chunkMap: () => never, read: () => never }
    await a.exchange.stop()
    const exchange = new Exchange({ ...exchangeInitOf(a), clock, fallback: silent, discover: () => never })
    replaceExchange(a, exchange)
    exchange.start()
    connect({ ...a, exchange }, holder)
    for (const bytes of blobs) assert.ok((await read(await exchange.fetch(digestOf(bytes)))).equals(bytes))
  })
})

describe('provider records', () => {
  function directory(maxRecords: number) {
    const log: string[] = []
    const name = (key: CID) => String(digests.findIndex((digest) => contentKey(digest).equals(key)))
    const ignore = () => undefined
    const metrics = { rejected: ignore, banned: ignore, wasted: ignore, provided: ignore }
    const routing = {
      provide: (key: CID) => Promise.resolve(void log.push(`+${name(key)}`)),
      cancelReprovide: (key: CID) => Promise.resolve(void log.push(`-${name(key)}`)),
      async *findProviders(key: CID) {
        log.push(`?${name(key)}`)
        yield* []
      }
    }
    // Only compared with providers that are found, of which there are none.
    const self = {} as ConstructorParameters<typeof DhtDirectory>[0]['self']
    const clock = { ms: 0, now: () => clock.ms }
    const dht = new DhtDirectory({ routing, self, clock, logger: silentLogger, metrics, maxRecords })
    return { dht, log, clock }
  }
  const [a, b, c, d] = digests as [Digest, Digest, Digest, Digest]

  it('are bounded: the oldest is not renewed any more', async () => {
    const { dht, log } = directory(2)
    for (const digest of [a, b, a, c]) {
      dht.provide(digest)
      await settled()
    }
    assert.deepEqual(log, ['+0', '+1', '+0', '-1', '+2'])
    assert.equal(dht.records, 2)
    dht.withdraw(a)
    assert.equal(dht.records, 1)
    assert.equal(log.at(-1), '-0')
  })

  it('are looked up once for all layers of an image', async () => {
    const { dht, log, clock } = directory(2)
    const find = async (digest: Digest) => {
      for await (const peer of dht.find(digest)) assert.fail(`nobody has it, not even ${peer.peerId}`)
    }
    await Promise.all([find(a), find(a), find(b)])
    await find(a)
    assert.deepEqual(log, ['?0', '?1'])
    clock.ms = LOOKUP_FRESH_MS
    await find(a)
    assert.deepEqual(log, ['?0', '?1', '?0'])
  })

  it('of an earlier run are kept for what is here, and withdrawn for what has gone', async () => {
    const { dht, log } = directory(2)
    async function* keys() {
      for (const digest of [a, b, c, d]) yield contentKey(digest)
    }
    await dht.restore(keys(), (digest) => Promise.resolve(digest !== b))
    assert.deepEqual(log, ['-1', '-3'], 'one has gone, and one is beyond the bound')
    assert.equal(dht.records, 2)
  })
})
