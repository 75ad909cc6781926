import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FIRST_BACKOFF_MS, KnownPeers, MAX_KNOWN_PEERS, REST_MS, WANTED_MS } from '../src/node/known-peers.ts'
import {
  chooseNeighbours,
  FILL_STEP,
  IDLE_MS,
  MAX_NEIGHBOURS,
  type NeighbourCandidate,
  type NeighbourLink,
  type NeighbourState,
  TARGET_NEIGHBOURS,
  TURNOVER_MS
} from '../src/node/neighbours.ts'
import { mixZones, NEAR_SHARE } from '../src/node/zone-mix.ts'

const NOW = 1_000_000

function links(count: number, more: Partial<NeighbourLink> = {}): NeighbourLink[] {
  return Array.from({ length: count }, (_, i) => {
    const usual = { role: 'agent' as const, zone: '', since: 0, lastUsefulAt: NOW, wanted: false }
    return { ...usual, peerId: `linked-${i}`, ...more }
  })
}

function known(count: number, more: Partial<NeighbourCandidate> = {}): NeighbourCandidate[] {
  return Array.from({ length: count }, (_, i) => ({ peerId: `known-${i}`, wanted: false, scarce: false, ...more }))
}

function choose(state: Partial<NeighbourState>) {
  const usual = { links: [], known: [], dialling: 0, maxDials: 16, lastTurnoverAt: NOW, now: NOW, random: Math.random }
  return chooseNeighbours({ ...usual, ...state })
}

describe('neighbours', () => {
  it('are dialled in small steps while there is room', () => {
    assert.equal(choose({ known: known(100) }).dial.length, FILL_STEP)
    assert.equal(choose({ known: known(100), links: links(TARGET_NEIGHBOURS - 1) }).dial.length, 1)
    assert.equal(choose({ known: known(100), links: links(10), dialling: TARGET_NEIGHBOURS - 10 }).dial.length, 0)
  })

  it('are chosen at random, so that agents that start together do not all dial the same', () => {
    const dialled = new Map<string, number>()
    for (let agent = 0; agent < 1_000; agent++) {
      for (const peerId of choose({ known: known(100) }).dial) dialled.set(peerId, (dialled.get(peerId) ?? 0) + 1)
    }
    assert.equal(dialled.size, 100)
    // 40 each on average; a Poisson variable of that mean is above 80 once in 10^8.
    assert.ok(Math.max(...dialled.values()) < 80)
  })

  it('do not count the registry, and never drop it', () => {
    const registry = links(1, { peerId: 'registry', role: 'registry', lastUsefulAt: undefined })
    const idle = links(TARGET_NEIGHBOURS, { lastUsefulAt: 5 })
    const choice = choose({ links: [...registry, ...idle], known: known(50, { wanted: true }), maxDials: 100 })
    assert.equal(choice.drop.length, TARGET_NEIGHBOURS)
    assert.ok(!choice.drop.includes('registry'))
    assert.equal(choose({ links: [...registry, ...links(TARGET_NEIGHBOURS - 1)], known: known(9) }).dial.length, 1)
  })

  it('make room for a peer with a wanted blob, the least useful first', () => {
    const all = links(TARGET_NEIGHBOURS).map((link, i) => ({ ...link, lastUsefulAt: i === 7 ? 1_000 : 2_000 }))
    assert.deepEqual(choose({ links: all, known: known(1, { wanted: true }) }), {
      dial: ['known-0'],
      drop: ['linked-7'],
      turnover: false
    })
  })

  it('do not make room when none is idle, but for a blob that no linked peer has', () => {
    const busy = links(TARGET_NEIGHBOURS)
    assert.deepEqual(choose({ links: busy, known: known(3, { wanted: true }) }).dial, [])
    const scarce = choose({ links: busy, known: known(3, { wanted: true, scarce: true }) })
    assert.equal(scarce.dial.length, 3)
    assert.deepEqual(scarce.drop, [])
    const full = choose({ links: links(MAX_NEIGHBOURS), known: known(3, { wanted: true, scarce: true }) })
    assert.deepEqual(full.dial, [])
  })

  it('are replaced one at a time to keep the mesh mixing', () => {
    const idle = links(TARGET_NEIGHBOURS, { lastUsefulAt: undefined })
    const due = choose({ links: idle, known: known(5), lastTurnoverAt: NOW - TURNOVER_MS })
    assert.equal(due.dial.length, 1)
    assert.equal(due.drop.length, 1)
    assert.equal(due.turnover, true)
    const early = choose({ links: idle, known: known(5), lastTurnoverAt: NOW - TURNOVER_MS + 1 })
    assert.deepEqual(early, { dial: [], drop: [], turnover: false })
    const alone = choose({ links: idle, lastTurnoverAt: 0 })
    assert.deepEqual(alone.drop, [], 'there is nobody to take the place')
  })

  it('that dialled us are kept up to twice the target, then idle ones go', () => {
    const idle = links(MAX_NEIGHBOURS + 3, { lastUsefulAt: 1 })
    assert.equal(choose({ links: idle }).drop.length, 3)
    assert.deepEqual(choose({ links: links(MAX_NEIGHBOURS + 3) }).drop, [], 'those in use are not cut off')
  })

  it('are of our own zone for the most part, and of others for the rest', () => {
    const near = known(100).map((peer) => ({ ...peer, peerId: `near-${peer.peerId}`, zone: 'a' }))
    const far = known(100, { zone: 'b' })
    let linked: NeighbourLink[] = []
    for (let step = 0; step < TARGET_NEIGHBOURS; step++) {
      const { dial } = choose({ zone: 'a', links: linked, known: [...near, ...far] })
      linked = [
        ...linked,
        ...links(dial.length).map((link, i) => {
          const peerId = dial[i] ?? ''
          return { ...link, peerId, zone: peerId.startsWith('near-') ? 'a' : 'b' }
        })
      ]
    }
    assert.equal(linked.length, TARGET_NEIGHBOURS)
    assert.equal(linked.filter(({ zone }) => zone === 'a').length, TARGET_NEIGHBOURS * NEAR_SHARE)
  })

  it('of other zones are taken when our own has no more, and the other way round', () => {
    const far = choose({ zone: 'a', links: links(3, { zone: 'a' }), known: known(50, { zone: 'b' }) })
    assert.equal(far.dial.length, FILL_STEP)
    const near = choose({ zone: 'a', links: links(15, { zone: 'a' }), known: known(50, { zone: 'a' }) })
    assert.equal(near.dial.length, FILL_STEP)
  })

  it('that are let go for a wanted peer are of the kind of which there are enough', () => {
    const mixed = [
      ...links(15, { zone: 'b', lastUsefulAt: 2 }),
      ...links(5, { zone: 'a', lastUsefulAt: 1 }).map((link) => ({ ...link, peerId: `near-${link.peerId}` }))
    ]
    const choice = choose({ zone: 'a', links: mixed, known: known(5, { zone: 'a', wanted: true }) })
    assert.equal(choice.drop.length, 5)
    for (const peerId of choice.drop) assert.ok(!peerId.startsWith('near-'), 'the few of our own zone stay')
  })

  it('are mixed by zone as far as there are enough of each', () => {
    fc.assert(
      fc.property(fc.array(fc.boolean(), { maxLength: 60 }), fc.nat(30), (isNear, count) => {
        const items = isNear.map((near, at) => ({ near, at }))
        const mixed = mixZones(items, count, ({ near }) => near)
        assert.equal(mixed.length, Math.min(count, items.length), 'no place stays empty')
        assert.equal(new Set(mixed).size, mixed.length)
        const near = items.filter((item) => item.near).length
        const far = items.length - near
        const kept = mixed.filter((item) => !item.near).length
        assert.ok(
          kept >= Math.min(far, Math.floor(count * (1 - NEAR_SHARE))),
          'those from elsewhere are not crowded out'
        )
        if (far === 0) assert.deepEqual(mixed, items.slice(0, count))
      })
    )
  })

  it('keep to the bounds, whatever the state', () => {
    const link = fc.record({
      peerId: fc.uuid(),
      role: fc.constantFrom('agent' as const, 'registry' as const),
      zone: fc.constantFrom('', 'a', 'b'),
      since: fc.nat(NOW),
      lastUsefulAt: fc.option(fc.nat(NOW), { nil: undefined }),
      wanted: fc.boolean()
    })
    const zone = fc.constantFrom(undefined, '', 'a', 'b')
    const peer = fc.record({ peerId: fc.uuid(), wanted: fc.boolean(), scarce: fc.boolean(), zone })
    fc.assert(
      fc.property(
        fc.array(link, { maxLength: 60 }),
        fc.array(peer, { maxLength: 60 }),
        fc.nat(16),
        fc.nat(NOW),
        fc.infiniteStream(fc.double({ min: 0, max: 0.999, noNaN: true })),
        (linked, candidates, dialling, lastTurnoverAt, stream) => {
          const random = () => stream.next().value ?? 0
          const state = { links: linked, known: candidates, dialling, maxDials: 16 - dialling, lastTurnoverAt, random }
          const { dial, drop } = choose(state)
          assert.ok(dial.length <= 16 - dialling)
          assert.equal(new Set([...dial, ...drop]).size, dial.length + drop.length)
          const agents = linked.filter(({ role }) => role === 'agent').length
          const after = agents + dialling + dial.length - drop.length
          assert.ok(dial.length === 0 || after <= MAX_NEIGHBOURS, 'nobody dials beyond the bound')
          assert.ok(after >= Math.min(agents + dialling, TARGET_NEIGHBOURS), 'nobody falls below the target by choice')
          for (const { peerId, role, since, lastUsefulAt, wanted } of linked) {
            if (!drop.includes(peerId)) continue
            assert.ok(role === 'agent' && !wanted && NOW - since >= IDLE_MS && NOW - (lastUsefulAt ?? 0) >= IDLE_MS)
          }
        }
      )
    )
  })
})

describe('known peers', () => {
  const peer = (i: number, address = `/ip4/10.0.0.1/tcp/${i + 1}`) => ({ peerId: `p${i}`, addresses: [address] })
  const ids = (peers: KnownPeers, now: number) => peers.candidates(now, () => false).map(({ peerId }) => peerId)

  it('are left alone after a failure, longer each time, unless they have moved', () => {
    const peers = new KnownPeers()
    peers.learn(peer(0), 0)
    peers.failed('p0', 0)
    assert.deepEqual(ids(peers, FIRST_BACKOFF_MS - 1), [])
    assert.deepEqual(ids(peers, FIRST_BACKOFF_MS), ['p0'])
    peers.failed('p0', 0)
    assert.deepEqual(ids(peers, 2 * FIRST_BACKOFF_MS - 1), [])
    peers.learn(peer(0), 1)
    assert.deepEqual(ids(peers, 1), [], 'named again, but nothing is new')
    peers.learn(peer(0, '/ip4/10.0.0.2/tcp/1'), 1)
    assert.deepEqual(ids(peers, 1), ['p0'])
    peers.rest('p0', 1)
    assert.deepEqual(ids(peers, REST_MS), [])
  })

  it('are wanted for a while', () => {
    const peers = new KnownPeers()
    peers.want(peer(0), true, 0)
    assert.deepEqual(
      peers.candidates(1, () => false),
      [{ peerId: 'p0', wanted: true, scarce: true }]
    )
    assert.deepEqual(
      peers.candidates(WANTED_MS, () => false),
      [{ peerId: 'p0', wanted: false, scarce: false }]
    )
  })

  it('are bounded, and those that fail go first', () => {
    const peers = new KnownPeers()
    for (let i = 0; i < MAX_KNOWN_PEERS; i++) peers.learn(peer(i), 0)
    peers.failed('p5', 0)
    peers.learn(peer(MAX_KNOWN_PEERS), 0)
    peers.learn(peer(MAX_KNOWN_PEERS + 1), 0)
    assert.equal(peers.size, MAX_KNOWN_PEERS)
    const left = new Set(ids(peers, 1_000_000))
    assert.ok(!left.has('p5') && !left.has('p0') && left.has('p1'))
  })
})
