import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { after, afterEach, before } from 'node:test'
import { type BlobSource, ContentStore, sendBlob } from '@shoal/content'
import { type Digest, digestOf } from '@shoal/oci'
import { Registry } from 'prom-client'
import { Exchange } from '../src/blob/exchange.ts'
import type { ExchangeStore } from '../src/blob/exchange-store.ts'
import type { Fallback } from '../src/blob/fallback.ts'
import { REPEAT_AFTER_MS } from '../src/blob/repeat-gate.ts'
import { type Clock, systemClock } from '../src/clock.ts'
import { Bans } from '../src/exchange/bans.ts'
import type { PeerAddress } from '../src/exchange/frame.ts'
import type { Lane } from '../src/exchange/lane.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { type Identity, identityFromKey } from '../src/identity.ts'
import type { DirectLanes } from '../src/lane/direct-lanes.ts'
import { silentLogger } from '../src/logger.ts'
import { type Certificate, type Role, signCertificate, verifyCertificate } from '../src/membership/certificate.ts'
import { RateLimiter } from '../src/rate-limiter.ts'
import { createSwarmMetrics } from '../src/swarm-metrics.ts'
import { createTransferMetrics, type TransferMetrics } from '../src/transfer-metrics.ts'

export const MIB = 1024 * 1024
export const NOW = Date.now()

/** A node of a mesh in one process, without libp2p. */
export interface ExchangeNode {
  identity: Identity
  exchange: Exchange
  store: ContentStore
  transfer: TransferMetrics
  bans: Bans
  unlinked: Map<string, Error | undefined>
  metrics: Registry
}

const inits = new WeakMap<Exchange, ConstructorParameters<typeof Exchange>[0]>()
let directory: string
let registryIdentity: Identity
let nodes: ExchangeNode[] = []

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

export function certificateOf(identity: Identity, role: Role, zone = ''): Uint8Array {
  const body = { peerId: identity.peerId, role, scopes: ['*'], zone, issuedAtMs: NOW, expiresAtMs: NOW + 3_600_000 }
  return signCertificate(body, registryIdentity.privateKey)
}

export async function createNode(
  role: Role,
  options: {
    fallback?: Fallback
    lanes?: DirectLanes
    clock?: Clock
    zone?: string
    hostOf?: (peerId: string) => string | undefined
    isExpired?: (shown: Certificate) => boolean
    downloadRate?: number
    addressesOf?: (peerId: string) => readonly string[]
    learned?: (peers: readonly PeerAddress[]) => void
    store?: (own: ContentStore) => ExchangeStore
  } = {}
): Promise<ExchangeNode> {
  const identity =
    role === 'registry' ? registryIdentity : await identityFromKey(generateKeyPairSync('ed25519').privateKey)
  const store = await ContentStore.open({
    directory: await mkdtemp(join(directory, `${role}-`)),
    ...(role === 'registry' ? { signer: identity.privateKey } : {})
  })
  const register = new Registry()
  const transfer = createTransferMetrics(register)
  const bans = new Bans(() => systemClock.now())
  const certificate = certificateOf(identity, role, options.zone)
  const unlinked = new Map<string, Error | undefined>()
  const init: ConstructorParameters<typeof Exchange>[0] = {
    peerId: identity.peerId,
    store: options.store?.(store) ?? store,
    authorityKey: registryIdentity.publicKey,
    fallback: options.fallback,
    clock: options.clock ?? systemClock,
    random: Math.random,
    logger: silentLogger,
    metrics: createSwarmMetrics(register, {
      peers: () => ({ connected: 0, banned: 0 }),
      lanes: () => ({ receiving: 0, sending: 0 }),
      load: () => exchange.load,
      strangers: () => ({ libp2p: 0, pending: 0, lane: 0 }),
      records: () => 0,
      keptRecords: () => 0
    }),
    transfer,
    uploadLimiter: new RateLimiter(),
    downloadLimiter: new RateLimiter({ bytesPerSecond: options.downloadRate }),
    seedCopies: undefined,
    repeatAfterMs: role === 'registry' ? REPEAT_AFTER_MS : 0,
    bans,
    agent: 'test',
    certificate: () => certificate,
    zone: () => options.zone ?? '',
    verify: (bytes, peerId) => verifyCertificate(bytes, { authority: registryIdentity.peerId, peerId, nowMs: NOW }),
    isExpired: (shown) => options.isExpired?.(shown) ?? false,
    discover: () => Promise.resolve(),
    lanes: options.lanes,
    hostOf: options.hostOf ?? (() => undefined),
    addressesOf: options.addressesOf ?? (() => []),
    learned: options.learned ?? (() => undefined),
    onLink: () => undefined,
    onUnlink: (peerId, error) => unlinked.set(peerId, error),
    onBan: () => undefined
  }
  const exchange = new Exchange(init)
  inits.set(exchange, init)
  exchange.start()
  const node = { identity, exchange, store, transfer, bans, unlinked, metrics: register }
  nodes.push(node)
  return node
}

/** Connects two nodes; a may tamper with what b receives. */
export function connect(a: ExchangeNode, b: ExchangeNode, wrap: (lane: Lane) => Lane = (lane) => lane): void {
  const [left, right] = createMemoryLanes({ schedule: setImmediate })
  b.exchange.accept(right, a.identity.peerId, false)
  a.exchange.accept(wrap(left), b.identity.peerId, true)
}

/** Bytes as a stream of small pieces. */
export async function* inPieces(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64 * 1024) yield bytes.subarray(at, at + 64 * 1024)
}

export async function add(node: ExchangeNode, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const ingest = await node.store.ingest({ size: bytes.length })
  await ingest.append(inPieces(bytes))
  await ingest.finish(digest)
  return digest
}

export async function read(source: BlobSource): Promise<Buffer> {
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

/** What a node's exchange was made of. */
export function exchangeInitOf(node: ExchangeNode): ConstructorParameters<typeof Exchange>[0] {
  const init = inits.get(node.exchange)
  assert.ok(init)
  return init
}

/** A node's store under another exchange that takes its place: what a restart does. */
export function replaceExchange(node: ExchangeNode, exchange: Exchange): void {
  nodes = nodes.map((other) => (other === node ? { ...node, exchange } : other))
}
