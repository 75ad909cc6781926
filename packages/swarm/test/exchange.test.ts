import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { type Digest, digestOf } from '@shoal/oci'
import { Exchange } from '../src/blob/exchange.ts'
import type { Fallback } from '../src/blob/fallback.ts'
import { BlobNotFoundError } from '../src/blob/map-search.ts'
import { CHUNK_FRAME_HEADER_BYTES, FRAME_TYPES } from '../src/exchange/frame.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { add, connect, createNode, exchangeInitOf, inPieces, MIB, read, replaceExchange } from './exchange-nodes.ts'

describe('an exchange', () => {
  it('brings a blob of many chunks from the registry, once for two leeches', async () => {
    const bytes = randomBytes(20 * MIB + 12_345)
    const [registry, a, b] = [await createNode('registry'), await createNode('agent'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(a, registry)
    connect(b, registry)
    connect(a, b)
    const blobs = await Promise.all([a, b].map((node) => node.exchange.fetch(digest)))
    for (const blob of blobs) assert.ok((await read(blob)).equals(bytes))
    await Promise.all([a, b].map((node) => node.exchange.completion(digest)))
    const sent = registry.transfer.totals().sent.peer
    assert.ok(sent < bytes.length * 1.2, `the registry sent ${sent} bytes of a blob of ${bytes.length}`)
    const fromPeers = a.transfer.totals().received.peer + b.transfer.totals().received.peer
    assert.ok(fromPeers > bytes.length * 0.8, `only ${fromPeers} bytes were traded`)
    assert.deepEqual(await a.store.stat(digest), { digest, size: bytes.length })
  })

  it('joins a fetch that is under way, and lets each joiner leave alone', async () => {
    const bytes = randomBytes(3 * MIB)
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(a, registry)
    const controller = new AbortController()
    const leaving = a.exchange.fetch(digest, { signal: controller.signal })
    const staying = a.exchange.fetch(digest)
    controller.abort(new Error('left'))
    await assert.rejects(leaving, /left/)
    assert.ok((await read(await staying)).equals(bytes))
    await a.exchange.completion(digest)
    assert.equal(registry.transfer.totals().sent.peer, bytes.length)
  })

  it('serves a late leech from its peers alone once the registry is gone', async () => {
    const bytes = randomBytes(6 * MIB)
    const [registry, a, b] = [await createNode('registry'), await createNode('agent'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(a, registry)
    await a.exchange.fetch(digest)
    await a.exchange.completion(digest)
    await registry.exchange.stop()
    connect(b, a)
    assert.ok((await read(await b.exchange.fetch(digest))).equals(bytes))
    assert.equal(b.transfer.totals().received.registry, 0)
  })

  it('brings empty and tiny blobs, which need no signed chunk map', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    connect(a, registry)
    for (const bytes of [new Uint8Array(), Buffer.from('{}')]) {
      const digest = await add(registry, bytes)
      const blob = await a.exchange.fetch(digest)
      await a.exchange.completion(digest)
      assert.ok((await read(blob)).equals(bytes))
    }
  })

  it('says at once that nobody has a blob', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    connect(a, registry)
    await assert.rejects(a.exchange.fetch(digestOf(Buffer.from('nowhere'))), BlobNotFoundError)
    assert.equal(a.exchange.transfers.length, 0)
  })

  it('bans a peer that sends a wrong chunk, and gets the blob elsewhere', async () => {
    const bytes = randomBytes(4 * MIB)
    const [registry, liar, a] = [await createNode('registry'), await createNode('agent'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(liar, registry)
    await liar.exchange.fetch(digest)
    await liar.exchange.completion(digest)
    connect(liar, a, (lane) => ({
      kind: lane.kind,
      get queuedBytes() {
        return lane.queuedBytes
      },
      attach: (handler) => lane.attach(handler),
      drained: (options) => lane.drained(options),
      close: (error) => lane.close(error),
      send(bytes) {
        if (bytes[4] !== FRAME_TYPES.chunk) return lane.send(bytes)
        const tampered = Uint8Array.from(bytes)
        tampered[CHUNK_FRAME_HEADER_BYTES] = (tampered[CHUNK_FRAME_HEADER_BYTES] ?? 0) ^ 1
        return lane.send(tampered)
      }
    }))
    const blob = a.exchange.fetch(digest)
    // The registry comes later, so that the liar is asked first.
    await new Promise((resolve) => setImmediate(resolve))
    connect(a, registry)
    assert.ok((await read(await blob)).equals(bytes))
    assert.ok(a.bans.has(liar.identity.peerId))
    assert.equal(a.exchange.hasLink(liar.identity.peerId), false)
  })

  it('goes on with another peer when one vanishes, and fetches nothing twice', async () => {
    const bytes = randomBytes(16 * MIB)
    const [registry, a, b] = [await createNode('registry'), await createNode('agent'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(a, registry)
    await a.exchange.fetch(digest)
    await a.exchange.completion(digest)
    connect(b, a)
    const source = await b.exchange.fetch(digest)
    const blob = b.store.findPartial(digest)
    assert.ok(blob)
    await new Promise<void>((resolve) => {
      blob.onChunk(() => {
        if (blob.have.count === 5) resolve()
      })
    })
    b.exchange.unlink(a.identity.peerId)
    connect(b, registry)
    assert.ok((await read(source)).equals(bytes))
    await b.exchange.completion(digest)
    const { received } = b.transfer.totals()
    assert.equal(received.peer + received.registry, bytes.length)
  })

  it('brings what somebody waits for before what it fetches ahead, though that is smaller and began first', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent', { downloadRate: 8 * MIB })]
    const ahead = await add(registry, randomBytes(6 * MIB))
    const awaited = await add(registry, randomBytes(8 * MIB))
    connect(a, registry)
    a.exchange.prefetch(ahead)
    while ((a.store.findPartial(ahead)?.have.count ?? 0) === 0) await new Promise(setImmediate)
    await a.exchange.fetch(awaited)
    const whole: string[] = []
    const note = (name: string, digest: Digest) => a.exchange.completion(digest).then(() => whole.push(name))
    await Promise.all([note('ahead', ahead), note('awaited', awaited)])
    assert.deepEqual(whole, ['awaited', 'ahead'])
  })

  it('takes no link once it has stopped', async () => {
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    await registry.exchange.stop()
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    assert.equal(registry.exchange.accept(right, a.identity.peerId, false), false)
    left.close()
    right.close()
  })

  it('resumes what an earlier run has left on disk', async () => {
    const bytes = randomBytes(8 * MIB)
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    const digest = await add(registry, bytes)
    connect(a, registry)
    await a.exchange.fetch(digest)
    const blob = a.store.findPartial(digest)
    assert.ok(blob)
    await new Promise<void>((resolve) => {
      blob.onChunk(() => {
        if (blob.have.count === 4) resolve()
      })
    })
    await a.exchange.stop()
    const before = blob.have.count * blob.map.chunkSize
    assert.ok(before >= 4 * blob.map.chunkSize && before < bytes.length, `${before} bytes were kept`)
    // The same store under a new exchange: what a restart does.
    const again = await createNode('agent')
    const fresh = new Exchange({ ...exchangeInitOf(again), store: a.store })
    replaceExchange(a, fresh)
    fresh.start()
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    registry.exchange.accept(right, again.identity.peerId, false)
    fresh.accept(left, registry.identity.peerId, true)
    assert.ok((await read(await fresh.fetch(digest))).equals(bytes))
    await fresh.completion(digest)
    assert.equal(before + again.transfer.totals().received.registry, bytes.length)
  })

  it('turns to the registry over HTTP when no peer can serve', async () => {
    const bytes = randomBytes(5 * MIB)
    const registry = await createNode('registry')
    const digest = await add(registry, bytes)
    const fallback: Fallback = {
      async chunkMap() {
        const signed = await registry.store.chunkMap(digest)
        return signed && { size: signed.map.size, segments: signed.segments }
      },
      read: (_digest, range) => Promise.resolve(inPieces(bytes.subarray(range.start, range.end)))
    }
    const a = await createNode('agent', { fallback })
    assert.ok((await read(await a.exchange.fetch(digest))).equals(bytes))
    await a.exchange.completion(digest)
    assert.equal(a.transfer.totals().received.registry, bytes.length)
  })

  it('keeps no file open of a blob that is removed while it is being opened for a peer', async () => {
    const bytes = randomBytes(2 * MIB)
    const [a, b] = [await createNode('agent'), await createNode('agent')]
    const registry = await createNode('registry')
    const digest = await add(registry, bytes)
    connect(a, registry)
    await a.exchange.fetch(digest)
    await a.exchange.completion(digest)
    await a.exchange.stop()
    const [opening, opened] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const isClosed = Promise.withResolvers<void>()
    const { store } = a
    const exchange = new Exchange({
      ...exchangeInitOf(a),
      store: {
        buffers: store.buffers,
        partial: (...args) => store.partial(...args),
        findPartial: (wanted) => store.findPartial(wanted),
        chunkMap: (wanted) => store.chunkMap(wanted),
        stat: (wanted) => store.stat(wanted),
        async open(wanted) {
          const source = await store.open(wanted)
          assert.ok(source)
          const close = source.close.bind(source)
          source.close = async () => {
            isClosed.resolve()
            await close()
          }
          opening.resolve()
          await opened.promise
          return source
        }
      }
    })
    replaceExchange(a, exchange)
    exchange.start()
    connect({ ...a, exchange }, b)
    const fetched = b.exchange.fetch(digest)
    await opening.promise
    exchange.withdraw(digest)
    opened.resolve()
    await isClosed.promise
    connect(b, registry)
    assert.ok((await read(await fetched)).equals(bytes))
    assert.equal(a.transfer.totals().sent.peer, 0)
  })
})
