import assert from 'node:assert/strict'
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe, it } from 'node:test'
import { multiaddr } from '@multiformats/multiaddr'
import { ContentStore } from '@shoal/content'
import { type Digest, digestOf } from '@shoal/oci'
import { Registry } from 'prom-client'
import { type AgentSwarm, createAgentSwarm } from '../src/agent-swarm.ts'
import type { Fallback } from '../src/blob/fallback.ts'
import { encodeRendezvousRequest, MAX_RENDEZVOUS_BYTES } from '../src/discovery/rendezvous-messages.ts'
import { type Identity, identityFromKey } from '../src/identity.ts'
import { silentLogger } from '../src/logger.ts'
import { MAX_ADMISSION_ANSWER_BYTES, MAX_ADMISSION_REQUEST_BYTES } from '../src/membership/admission-messages.ts'
import type { JoinToken } from '../src/membership/join-token.ts'
import { EXCHANGE_PROTOCOL } from '../src/node/connector.ts'
import { createLibp2pNode } from '../src/node/libp2p-node.ts'
import { MAX_PENDING_PER_HOST } from '../src/node/pending-connections.ts'
import { request } from '../src/node/request.ts'
import { ADMISSION_PROTOCOL, RENDEZVOUS_PROTOCOL } from '../src/protocols.ts'
import { createRegistrySwarm, type RegistrySwarm } from '../src/registry-swarm.ts'
import { createTransferMetrics, type TransferMetrics } from '../src/transfer-metrics.ts'

const MIB = 1024 * 1024
const IPV4 = '127.0.0.1'
const IPV6 = '::1'
const DEADLINE_MS = 20_000
const nowhere: Fallback = { chunkMap: () => Promise.resolve(undefined), read: () => Promise.resolve(undefined) }

let directory: string
let cleanups: (() => Promise<unknown>)[] = []

before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'shoal-mesh-'))
})
after(() => rm(directory, { recursive: true }))
afterEach(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
  cleanups = []
})

/** Waits for a condition that no event tells of, with a deadline. */
async function until(what: string, condition: () => boolean): Promise<void> {
  const deadline = Date.now() + DEADLINE_MS
  while (!condition()) {
    assert.ok(Date.now() < deadline, `never happened: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

async function parts(identity: Identity, signer: boolean, host: string) {
  const own = await mkdtemp(join(directory, 'node-'))
  const store = await ContentStore.open({
    directory: join(own, 'content'),
    ...(signer ? { signer: identity.privateKey } : {})
  })
  cleanups.push(() => store.close())
  const metrics = new Registry()
  const transfer = createTransferMetrics(metrics)
  return {
    identity,
    directory: join(own, 'mesh'),
    listen: { host, port: 0 },
    agentVersion: 'shoal/test',
    store,
    transfer,
    metrics,
    logger: silentLogger
  }
}

interface RegistryNode {
  swarm: RegistrySwarm
  store: ContentStore
  transfer: TransferMetrics
  token: JoinToken
}

async function startRegistry(host = IPV4): Promise<RegistryNode> {
  const identity = await identityFromKey(generateKeyPairSync('ed25519').privateKey)
  const token = { authority: identity.peerId, secret: randomBytes(24) }
  const init = await parts(identity, true, host)
  const swarm = await createRegistrySwarm({ ...init, joinToken: token })
  await swarm.start()
  cleanups.push(() => swarm.stop())
  return { swarm, store: init.store, transfer: init.transfer, token }
}

async function startAgent(registry: RegistryNode, { joinToken = registry.token, host = IPV4 } = {}) {
  const init = await parts(await identityFromKey(generateKeyPairSync('ed25519').privateKey), false, host)
  const addresses = [...registry.swarm.addresses]
  const make = () =>
    createAgentSwarm({
      ...init,
      metrics: new Registry(),
      joinToken,
      zone: '',
      fallback: nowhere,
      registryAddresses: () => Promise.resolve(addresses)
    })
  const swarm = await make()
  await swarm.start()
  let current: AgentSwarm = swarm
  cleanups.push(() => current.stop())
  const restart = async () => {
    await current.stop()
    current = await make()
    await current.start()
    return current
  }
  return { swarm, store: init.store, transfer: init.transfer, restart }
}

async function add(store: ContentStore, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const ingest = await store.ingest({ size: bytes.length })
  await ingest.append(
    (async function* () {
      yield bytes
    })()
  )
  await ingest.finish(digest)
  return digest
}

async function pull(swarm: AgentSwarm, digest: Digest): Promise<void> {
  await swarm.fetch(digest, { signal: AbortSignal.timeout(DEADLINE_MS) })
  await swarm.completion(digest)
}

async function startStranger(authority: string) {
  const stranger = await createLibp2pNode({
    identity: await identityFromKey(generateKeyPairSync('ed25519').privateKey),
    authority,
    directory: join(await mkdtemp(join(directory, 'stranger-')), 'datastore'),
    listen: { host: '127.0.0.1', port: 0 },
    agentVersion: 'stranger',
    isBanned: () => false
  })
  cleanups.push(() => stranger.close())
  await stranger.libp2p.start()
  return stranger
}

describe('a mesh over libp2p', () => {
  it('admits agents, which trade a blob and then do without the registry', async () => {
    const registry = await startRegistry()
    const [a, b, c] = [await startAgent(registry), await startAgent(registry), await startAgent(registry)]
    await until('all are linked', () => [a, b, c].every(({ swarm }) => swarm.peers.length === 3))
    const bytes = randomBytes(12 * MIB)
    const digest = await add(registry.store, bytes)
    await Promise.all([a, b].map(({ swarm }) => pull(swarm, digest)))
    assert.ok(registry.transfer.totals().sent.peer < bytes.length * 1.3)
    const image = await add(registry.store, randomBytes(2 * MIB))
    await pull(a.swarm, image)

    await registry.swarm.stop()
    await Promise.all([pull(c.swarm, digest), pull(c.swarm, image)])
    assert.equal(c.transfer.totals().received.peer, bytes.length + 2 * MIB)
    assert.equal(c.transfer.totals().received.registry, 0)
  })

  it('is told of a blob that the registry has no more, and takes it from who has it', async () => {
    const registry = await startRegistry()
    const [a, b] = [await startAgent(registry), await startAgent(registry)]
    await until('all are linked', () => [a, b].every(({ swarm }) => swarm.peers.length === 2))
    const [kept, lost] = [
      await add(registry.store, randomBytes(3 * MIB)),
      await add(registry.store, randomBytes(2 * MIB))
    ]
    await pull(a.swarm, kept)
    const sent = registry.transfer.totals().sent.peer
    for (const digest of [kept, lost]) assert.equal(await registry.store.delete(digest), true)
    assert.equal(await registry.store.chunkMap(kept), undefined)
    await pull(b.swarm, kept)
    assert.equal(b.transfer.totals().received.peer, 3 * MIB)
    await assert.rejects(pull(b.swarm, lost), { code: 'BLOB_NOT_FOUND' })
    assert.equal(registry.transfer.totals().sent.peer, sent)
  })

  it('works over IPv6 alone', async () => {
    const registry = await startRegistry(IPV6)
    const [a, b] = [await startAgent(registry, { host: IPV6 }), await startAgent(registry, { host: IPV6 })]
    await until('all are linked', () => [a, b].every(({ swarm }) => swarm.peers.length === 2))
    const isIpv6 = (address: string | undefined) => address?.startsWith('/ip6/::1/tcp/') === true
    await until('addresses are known', () => a.swarm.peers.every(({ address }) => isIpv6(address)))
    const digest = await add(registry.store, randomBytes(3 * MIB))
    await Promise.all([a, b].map(({ swarm }) => pull(swarm, digest)))
    assert.deepEqual(await b.store.stat(digest), { digest, size: 3 * MIB })
  })

  it('takes an agent back in that restarts while the registry is down', async () => {
    const registry = await startRegistry()
    const [a, b] = [await startAgent(registry), await startAgent(registry)]
    await until('all are linked', () => [a, b].every(({ swarm }) => swarm.peers.length === 2))
    const digest = await add(registry.store, randomBytes(3 * MIB))
    await pull(a.swarm, digest)
    await registry.swarm.stop()
    const again = await b.restart()
    await until('it has found its peer', () => again.peers.length === 1)
    await pull(again, digest)
    assert.equal(b.transfer.totals().received.peer, 3 * MIB)
  })

  it('refuses an agent with a wrong secret, and says so', async () => {
    const registry = await startRegistry()
    const wrong = { authority: registry.token.authority, secret: randomBytes(24) }
    const { swarm } = await startAgent(registry, { joinToken: wrong })
    await until('it is refused', () => swarm.membership.state === 'refused')
    assert.equal(registry.swarm.peers.length, 0)
    const digest = await add(registry.store, randomBytes(MIB))
    await assert.rejects(pull(swarm, digest), { code: 'BLOB_NOT_FOUND' })
  })

  it('gives a stranger that speaks the protocol nothing', async () => {
    const registry = await startRegistry()
    await add(registry.store, randomBytes(2 * MIB))
    const stranger = await startStranger(registry.token.authority)
    const connection = await stranger.libp2p.dial(registry.swarm.addresses.map((address) => multiaddr(address)))
    const stream = await connection.newStream(EXCHANGE_PROTOCOL)
    const closed = once(stream, 'close')
    // A frame that is not a hello.
    stream.send(Uint8Array.of(0, 0, 0, 5, 3, 0, 0, 0, 1))
    await closed
    await until('it is disconnected', () => connection.status !== 'open')
    assert.equal(registry.transfer.totals().sent.peer, 0)
  })

  it('answers the rendezvous to members only, not to whoever begins a link', async () => {
    const registry = await startRegistry()
    const stranger = await startStranger(registry.token.authority)
    const connection = await stranger.libp2p.dial(registry.swarm.addresses.map((address) => multiaddr(address)))
    const stream = await connection.newStream(EXCHANGE_PROTOCOL)
    // The registry says hello first: it has begun a link.
    await once(stream, 'message')
    const message = encodeRendezvousRequest({ want: [digestOf(Buffer.from('a blob'))], have: [], gone: [] })
    await assert.rejects(request(connection, RENDEZVOUS_PROTOCOL, message, { maxBytes: MAX_RENDEZVOUS_BYTES }))
  })

  it('reads no more of a request for admission than one needs', async () => {
    const registry = await startRegistry()
    const stranger = await startStranger(registry.token.authority)
    const connection = await stranger.libp2p.dial(registry.swarm.addresses.map((address) => multiaddr(address)))
    const options = { maxBytes: MAX_ADMISSION_ANSWER_BYTES }
    const ask = (bytes: number) => request(connection, ADMISSION_PROTOCOL, new Uint8Array(bytes), options)
    await assert.rejects(ask(MAX_ADMISSION_REQUEST_BYTES + 1))
  })

  it('takes members in while a stranger keeps as many silent connections open as it can', async () => {
    const registry = await startRegistry()
    const port = Number(/tcp\/(\d+)/.exec(registry.swarm.addresses[0] ?? '')?.[1])
    const sockets = Array.from({ length: 400 }, () =>
      connectPlain({ host: '127.0.0.1', port, localAddress: '127.0.0.2' })
    )
    cleanups.push(async () => {
      for (const socket of sockets) socket.destroy()
    })
    const refused = new Promise<void>((resolve) => {
      for (const socket of sockets) socket.on('error', () => resolve()).on('close', () => resolve())
    })
    await refused
    const { swarm } = await startAgent(registry)
    await until('the agent is linked', () => swarm.peers.length === 1)
    assert.ok(sockets.filter(({ destroyed }) => !destroyed).length <= MAX_PENDING_PER_HOST)
  })
})
