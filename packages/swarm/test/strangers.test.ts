import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { silentLogger } from '../src/logger.ts'
import { Connector, type ConnectorInit } from '../src/node/connector.ts'
import { KnownPeers, MAX_KNOWN_PEERS } from '../src/node/known-peers.ts'
import { MAX_PENDING_PER_HOST, PendingConnections } from '../src/node/pending-connections.ts'
import { MAX_STRANGERS, MAX_STRANGERS_PER_HOST, STRANGER_TIMEOUT_MS, Strangers } from '../src/node/strangers.ts'
import { ManualClock } from './manual-clock.ts'

describe('connections without a link', () => {
  it('are bounded for one host: those that it opens beyond that are refused', () => {
    const strangers = new Strangers<number>()
    for (let i = 0; i < MAX_STRANGERS_PER_HOST; i++) assert.deepEqual(strangers.add(i, '10.0.0.1', 0), [])
    assert.deepEqual(strangers.add(-1, '10.0.0.1', 0), [-1])
    assert.deepEqual(strangers.add(-2, '10.0.0.2', 0), [])
  })

  it('are bounded in all: the oldest has to go', () => {
    const strangers = new Strangers<number>()
    for (let i = 0; i < MAX_STRANGERS; i++) assert.deepEqual(strangers.add(i, `host ${i}`, 0), [])
    strangers.remove(0)
    assert.deepEqual(strangers.add(-1, 'one more', 0), [])
    assert.deepEqual(strangers.add(-2, 'another', 0), [1])
  })

  it('never are more than may be, whatever comes and goes', () => {
    const step = fc.tuple(fc.boolean(), fc.nat(3_000), fc.nat(5))
    fc.assert(
      fc.property(fc.array(step, { minLength: 1_000, maxLength: 3_000 }), (steps) => {
        const strangers = new Strangers<number>()
        const hosts = new Map<number, number>()
        for (const [isNew, connection, host] of steps) {
          if (isNew && !hosts.has(connection)) {
            hosts.set(connection, host)
            for (const closed of strangers.add(connection, String(host), 0)) hosts.delete(closed)
          } else if (!isNew) {
            strangers.remove(connection)
            hosts.delete(connection)
          }
        }
        assert.equal(strangers.size, hosts.size)
        for (let host = 0; host <= 5; host++) {
          const count = [...hosts.values()].filter((other) => other === host).length
          assert.ok(count <= MAX_STRANGERS_PER_HOST, `${count} of host ${host}`)
        }
      }),
      { numRuns: 20 }
    )
  })

  it('are closed when they have been strangers for too long, counted from when this node is a member', () => {
    const strangers = new Strangers<number>()
    strangers.add(1, 'a', 0)
    strangers.restart(1_000)
    assert.deepEqual(strangers.overdue(STRANGER_TIMEOUT_MS), [])
    assert.deepEqual(strangers.overdue(STRANGER_TIMEOUT_MS + 1_000), [1])
  })
})

it('a stranger that opens the exchange again and again is disconnected all the same', async () => {
  const clock = new ManualClock()
  const aborted = Promise.withResolvers<Error>()
  const connection = {
    status: 'open',
    direction: 'inbound',
    remotePeer: 'stranger',
    remoteAddr: '/ip4/10.0.0.1/tcp/1',
    abort: aborted.resolve
  }
  const libp2p = {
    handle: () => Promise.resolve(),
    addEventListener: () => undefined,
    getConnections: () => [connection]
  }
  // A link is being made whenever somebody looks, and never comes about.
  const exchange = { hasLink: () => true, isLinked: () => false }
  const init = { libp2p, exchange, clock, logger: silentLogger, isBanned: () => false, isMember: () => true }
  const connector = new Connector({ ...init, welcomes: () => true } as unknown as ConnectorInit)
  await connector.start()
  clock.advance(2 * STRANGER_TIMEOUT_MS)
  assert.match(String(await aborted.promise), /no certificate/)
  connector.stop()
})

it('connections that say nothing cannot take all places of libp2p from one host', () => {
  const pending = new PendingConnections()
  const address = (port: number, host = '10.0.0.1') => `/ip4/${host}/tcp/${port}`
  for (let port = 1; port <= MAX_PENDING_PER_HOST; port++) assert.ok(pending.admit(address(port)))
  assert.equal(pending.admit(address(9_999)), false)
  assert.ok(pending.admit(address(9_999, '10.0.0.2')))
  pending.done(address(1))
  assert.ok(pending.admit(address(9_999)))
  assert.equal(pending.size, MAX_PENDING_PER_HOST + 1)
})

it('peers that one is only told of do not push out those that were linked', () => {
  const known = new KnownPeers()
  for (let i = 0; i < 20; i++) {
    known.learn({ peerId: `neighbour ${i}`, addresses: ['/ip4/10.0.0.1/tcp/1'] }, 0)
    known.reached(`neighbour ${i}`)
  }
  for (let i = 0; i < 3 * MAX_KNOWN_PEERS; i++) known.learn({ peerId: `nobody ${i}`, addresses: [] }, i)
  assert.equal(known.size, MAX_KNOWN_PEERS)
  for (let i = 0; i < 20; i++) assert.equal(known.addressesOf(`neighbour ${i}`).length, 1, `neighbour ${i}`)
})
