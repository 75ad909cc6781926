import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, afterEach, before, describe, it } from 'node:test'
import { type BlobSource, ContentStore, sendBlob } from '@shoal/content'
import { type Digest, digestOf } from '@shoal/oci'
import { Registry } from 'prom-client'
import { Exchange } from '../src/blob/exchange.ts'
import type { Fallback } from '../src/blob/fallback.ts'
import { BlobNotFoundError } from '../src/blob/map-search.ts'
import { systemClock } from '../src/clock.ts'
import { Bans } from '../src/exchange/bans.ts'
import { EXCHANGE_VERSION, encodeChunkHeader, encodeFrame } from '../src/exchange/frame.ts'
import { FrameParser } from '../src/exchange/frame-parser.ts'
import type { Lane } from '../src/exchange/lane.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { type Identity, identityFromKey } from '../src/identity.ts'
import { silentLogger } from '../src/logger.ts'
import { type Role, signCertificate, verifyCertificate } from '../src/membership/certificate.ts'
import { RateLimiter } from '../src/rate-limiter.ts'
import { createSwarmMetrics } from '../src/swarm-metrics.ts'
import { createTransferMetrics, type TransferMetrics } from '../src/transfer-metrics.ts'

const MIB = 1024 * 1024
const NOW = Date.now()

interface Node {
  identity: Identity
  exchange: Exchange
  store: ContentStore
  transfer: TransferMetrics
  bans: Bans
  unlinked: Map<string, Error | undefined>
}

const inits = new WeakMap<Exchange, ConstructorParameters<typeof Exchange>[0]>()
let directory: string
let registryIdentity: Identity
let nodes: Node[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-exchange-'))
  registryIdentity = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
})
after(() => rm(directory, { recursive: true }))
afterEach(async () => {
  for (const { exchange, store } of nodes) {
    await exchange.stop()
    await store.close()
  }
  nodes = []
})

function certificateOf(identity: Identity, role: Role): Uint8Array {
  const body = { peerId: identity.peerId, role, scopes: ['*'], zone: '', issuedAtMs: NOW, expiresAtMs: NOW + 3_600_000 }
  return signCertificate(body, registryIdentity.privateKey)
}

async function createNode(role: Role, options: { fallback?: Fallback } = {}): Promise<Node> {
  const identity =
    role === 'registry' ? registryIdentity : await identityFromKey(generateKeyPairSync('ed25519').privateKey)
  const store = await ContentStore.open({
    directory: await mkdtemp(join(directory, `${role}-`)),
    ...(role === 'registry' ? { signer: identity.privateKey } : {})
  })
  const register = new Registry()
  const transfer = createTransferMetrics(register)
  const bans = new Bans(() => systemClock.now())
  const certificate = certificateOf(identity, role)
  const unlinked = new Map<string, Error | undefined>()
  const init: ConstructorParameters<typeof Exchange>[0] = {
    peerId: identity.peerId,
    store,
    authorityKey: registryIdentity.publicKey,
    fallback: options.fallback,
    clock: systemClock,
    random: Math.random,
    logger: silentLogger,
    metrics: createSwarmMetrics(register, () => ({ connected: 0, banned: 0 })),
    transfer,
    uploadLimiter: new RateLimiter(),
    downloadLimiter: new RateLimiter(),
    bans,
    agent: 'test',
    certificate: () => certificate,
    verify: (bytes, peerId) => verifyCertificate(bytes, { authority: registryIdentity.peerId, peerId, nowMs: NOW }),
    discover: () => Promise.resolve(),
    addressesOf: () => [],
    learned: () => undefined,
    onLink: () => undefined,
    onUnlink: (peerId, error) => unlinked.set(peerId, error),
    onBan: () => undefined
  }
  const exchange = new Exchange(init)
  inits.set(exchange, init)
  exchange.start()
  const node = { identity, exchange, store, transfer, bans, unlinked }
  nodes.push(node)
  return node
}

/** Connects two nodes; a may tamper with what b receives. */
function connect(a: Node, b: Node, wrap: (lane: Lane) => Lane = (lane) => lane): void {
  const [left, right] = createMemoryLanes({ schedule: setImmediate })
  b.exchange.accept(right, a.identity.peerId, false)
  a.exchange.accept(wrap(left), b.identity.peerId, true)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024)
}

async function add(node: Node, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const ingest = await node.store.ingest({ size: bytes.length })
  await ingest.append(once(bytes))
  await ingest.finish(digest)
  return digest
}

async function read(source: BlobSource): Promise<Buffer> {
  const parts: Buffer[] = []
  const sink = new Writable({
    write(part: Buffer, _encoding, done) {
      parts.push(Buffer.from(part))
      done()
    }
  })
  await sendBlob(source, { start: 0, end: source.size }, sink)
  await source.close()
  return Buffer.concat(parts)
}

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
      send(head, payload) {
        if (payload === undefined) return lane.send(head)
        const tampered = Uint8Array.from(payload)
        tampered[0] = (tampered[0] ?? 0) ^ 1
        return lane.send(head, tampered)
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
    nodes.push({ ...again, exchange: fresh, store: a.store })
    nodes.splice(nodes.indexOf(a), 1)
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
      read: (_digest, range) => Promise.resolve(once(bytes.subarray(range.start, range.end)))
    }
    const a = await createNode('agent', { fallback })
    assert.ok((await read(await a.exchange.fetch(digest))).equals(bytes))
    await a.exchange.completion(digest)
    assert.equal(a.transfer.totals().received.registry, bytes.length)
  })
})

function exchangeInitOf(node: Node): ConstructorParameters<typeof Exchange>[0] {
  const init = inits.get(node.exchange)
  assert.ok(init)
  return init
}

describe('a stranger', () => {
  const shown = async (hello: (identity: Identity) => Uint8Array[]) => {
    const node = await createNode('registry')
    const digest = await add(node, randomBytes(2 * MIB))
    const stranger = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    const closed = Promise.withResolvers<void>()
    let received = 0
    left.attach({
      onData: (bytes) => {
        received += bytes.length
      },
      onClose: () => closed.resolve()
    })
    node.exchange.accept(right, stranger.peerId, false)
    for (const frame of hello(stranger)) left.send(frame)
    left.send(encodeFrame({ type: 'bitfield', channel: 1, digest, want: true, absent: false }))
    left.send(encodeFrame({ type: 'askAny', channel: 1, count: 2, again: true, except: [] }))
    await closed.promise
    assert.equal(node.transfer.totals().sent.peer, 0)
    // Its own hello is all that the node ever says.
    assert.ok(received < 1_000, `${received} bytes were sent to a stranger`)
    return node.unlinked.get(stranger.peerId)
  }

  it('without a certificate gets nothing', async () => {
    assert.match(String(await shown(() => [])), /certificate/)
  })

  it('with another node’s certificate gets nothing', async () => {
    const other = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const certificate = certificateOf(other, 'agent')
    const hello = encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'stranger' })
    assert.match(String(await shown(() => [hello])), /another peer/)
  })

  it('with a certificate that it signed itself gets nothing', async () => {
    const error = await shown((stranger) => {
      const body = {
        peerId: stranger.peerId,
        role: 'agent' as const,
        scopes: ['*'],
        zone: '',
        issuedAtMs: NOW,
        expiresAtMs: NOW + 1e9
      }
      const certificate = signCertificate(body, stranger.privateKey)
      return [encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'stranger' })]
    })
    assert.match(String(error), /not signed/)
  })
})

describe('a member that lies about the size of a small blob', () => {
  it('is banned, and the blob comes from elsewhere at the next try', async () => {
    const bytes = Buffer.from('the right bytes of a small blob')
    const [registry, a] = [await createNode('registry'), await createNode('agent')]
    const digest = await add(registry, bytes)
    const liar = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
    const [left, right] = createMemoryLanes({ schedule: setImmediate })
    const wrong = Buffer.from('wrong')
    const parser = new FrameParser({
      onFrame(frame) {
        if (frame.type === 'bitfield') {
          const state = { size: wrong.length, chunkSize: MIB, bits: Uint8Array.of(0x80) }
          left.send(encodeFrame({ type: 'bitfield', channel: 1, digest, want: false, absent: false, state }))
        } else if (frame.type === 'ask') {
          left.send(encodeChunkHeader({ channel: 1, index: 0, offset: 0 }, wrong.length), wrong)
        }
      },
      onChunkStart: () => undefined,
      onChunkEnd: () => undefined
    })
    left.attach({ onData: (received) => parser.push(received), onClose: () => undefined })
    a.exchange.accept(right, liar.peerId, false)
    const certificate = certificateOf(liar, 'agent')
    left.send(encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent: 'liar' }))

    const first = await a.exchange.fetch(digest)
    assert.equal(first.size, wrong.length)
    await assert.rejects(a.exchange.completion(digest), { code: 'CHUNK_MISMATCH' })
    await first.close()
    assert.ok(a.bans.has(liar.peerId))
    connect(a, registry)
    assert.ok((await read(await a.exchange.fetch(digest))).equals(bytes))
  })
})
