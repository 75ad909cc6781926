import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, it } from 'node:test'
import { Bitfield } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import fc from 'fast-check'
import { SeedChooser } from '../src/blob/seed-chooser.ts'
import { MAX_SEED_ZONES, SeedCopies } from '../src/blob/seed-copies.ts'
import { ACQUAINTED_AFTER_MS, FAR_AFTER_MS, farLeave, isTurnOf, ownerOf, TAKEOVER_AFTER_MS } from '../src/blob/zones.ts'
import { add, connect, createNode, type ExchangeNode, MIB, read } from './exchange-nodes.ts'

const DIGEST = digestOf(Buffer.from('a blob'))
const nobody = () => 0

describe('a seed and zones', () => {
  const ask = (peer: string, zone: string, again = false) => {
    return { peer, zone, have: new Bitfield(4), except: new Set<number>(), again }
  }

  it('sends each chunk to each zone once before any twice', () => {
    const chooser = new SeedChooser(4)
    const to = (peer: string, zone: string) => chooser.choose(ask(peer, zone), nobody)
    assert.deepEqual([to('a1', 'a'), to('b1', 'b'), to('a2', 'a'), to('b1', 'b')], [0, 0, 1, 1])
    assert.deepEqual([to('a1', 'a'), to('a2', 'a'), to('a1', 'a'), to('b1', 'b')], [2, 3, undefined, 2])
    assert.equal(chooser.copies(0), 2)
  })

  it('gives a zone again what one that has left took with it, and no other zone', () => {
    const chooser = new SeedChooser(1)
    const one = (peer: string, zone: string) => ({ ...ask(peer, zone), have: new Bitfield(1) })
    chooser.choose(one('a1', 'a'), nobody)
    chooser.choose(one('b1', 'b'), nobody)
    chooser.departed('a1')
    assert.equal(chooser.choose(one('b2', 'b'), nobody), undefined)
    assert.equal(chooser.choose(one('a2', 'a'), nobody), 0)
  })

  it('is not made to send a copy to every node by as many zones', () => {
    const chooser = new SeedChooser(4)
    let sent = 0
    for (let node = 0; node < 500; node++) {
      for (let i = 0; i < 4; i++) if (chooser.choose(ask(`n${node}`, `z${node}`), nobody) !== undefined) sent++
    }
    assert.ok(sent <= 4 * MAX_SEED_ZONES, `sent ${sent} chunks of 4`)
  })

  it('is, with one zone, what it is without any', () => {
    const steps = fc.array(fc.record({ peer: fc.nat(5), again: fc.boolean(), leaves: fc.nat(9) }), { maxLength: 60 })
    fc.assert(
      fc.property(steps, (all) => {
        const choices = (zone: string) => {
          const chooser = new SeedChooser(4)
          return all.map(({ peer, again, leaves }) => {
            if (leaves === 0) chooser.departed(`p${peer}`)
            return chooser.choose(ask(`p${peer}`, zone, again), nobody)
          })
        }
        assert.deepEqual(choices('somewhere'), choices(''))
      })
    )
  })

  it('never counts below nothing, and a zone never above all', () => {
    const shifts = fc.array(
      fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(3), fc.constantFrom(1 as const, -1 as const))
    )
    fc.assert(
      fc.property(shifts, (all) => {
        const copies = new SeedCopies(4)
        const sent = new Map<string, number>()
        for (const [zone, index, by] of all) {
          const key = `${zone}${index}`
          if (by === -1 && (sent.get(key) ?? 0) === 0) continue
          sent.set(key, (sent.get(key) ?? 0) + by)
          copies.shift(zone, index, by)
          assert.equal(copies.in(zone, index), sent.get(key))
          assert.ok(copies.in(zone, index) <= copies.of(index))
        }
      })
    )
  })
})

describe('whose turn it is to fetch a chunk into a zone', () => {
  const ids = fc.uniqueArray(fc.uuid(), { minLength: 1, maxLength: 12 })

  it('is the same for all who know the same peers, in whatever order', () => {
    fc.assert(
      fc.property(ids, fc.nat(100_000), (peers, index) => {
        assert.equal(ownerOf(DIGEST, index, peers), ownerOf(DIGEST, index, peers.toReversed()))
      })
    )
  })

  it('changes only for what was the turn of one who has left', () => {
    fc.assert(
      fc.property(ids, fc.nat(100_000), (peers, index) => {
        const [gone, ...left] = peers
        const before = ownerOf(DIGEST, index, peers)
        if (before !== gone) assert.equal(ownerOf(DIGEST, index, left), before)
      })
    )
  })

  it('falls to each about as often', () => {
    const counts = new Map<string, number>()
    const peers = Array.from({ length: 8 }, (_, i) => `12D3KooW${i}`)
    for (let index = 0; index < 4_000; index++) {
      const owner = ownerOf(DIGEST, index, peers) ?? ''
      counts.set(owner, (counts.get(owner) ?? 0) + 1)
    }
    for (const count of counts.values()) assert.ok(count > 350 && count < 650, `uneven: ${[...counts.values()]}`)
    assert.equal(counts.size, 8)
  })

  it('is not that of peers elsewhere, or of peers that do not want the blob', () => {
    const mate = { peerId: 'other', role: 'agent' as const, near: true, wants: true, absent: false }
    const turns = (peer: typeof mate) =>
      Array.from({ length: 64 }, (_, index) => isTurnOf('self', DIGEST, index, [peer])).filter((mine) => mine).length
    assert.ok(turns(mate) > 10 && turns(mate) < 54)
    assert.equal(turns({ ...mate, near: false }), 64)
    assert.equal(turns({ ...mate, wants: false }), 64)
  })

  it('and other zones are asked only when neither the registry nor the own zone gives anything', () => {
    const state = { registry: true, homeProgressAt: 0, startedAt: 0, now: 0 }
    assert.equal(farLeave({ ...state, now: FAR_AFTER_MS - 1 }), 'none')
    assert.equal(farLeave({ ...state, now: FAR_AFTER_MS }), 'owned')
    assert.equal(farLeave({ ...state, now: TAKEOVER_AFTER_MS }), 'all')
    assert.equal(farLeave({ ...state, registry: false }), 'none', 'it does not know who else wants it')
    assert.equal(farLeave({ ...state, registry: false, now: ACQUAINTED_AFTER_MS }), 'owned')
  })
})

describe('two zones', () => {
  const join = (nodes: readonly ExchangeNode[]) => {
    for (const [i, node] of nodes.entries()) for (const other of nodes.slice(i + 1)) connect(node, other)
  }
  const zoned = (zones: readonly string[]) => Promise.all(zones.map((zone) => createNode('agent', { zone })))

  it('get one copy each from the registry, and nothing from each other', async () => {
    const registry = await createNode('registry', { zone: 'a' })
    const bytes = randomBytes(32 * MIB)
    const digest = await add(registry, bytes)
    const agents = await zoned(['a', 'a', 'a', 'b', 'b', 'b'])
    join([registry, ...agents])
    const pulled = await Promise.all(agents.map(async ({ exchange }) => read(await exchange.fetch(digest))))
    for (const one of pulled) assert.ok(one.equals(bytes))
    const sent = registry.transfer.totals().sent.peer / bytes.length
    assert.ok(sent >= 1.9 && sent <= 2.3, `the registry sent ${sent} copies`)
  })

  it('without a registry one zone takes each chunk from the other about once', async () => {
    const registry = await createNode('registry', { zone: 'a' })
    const bytes = randomBytes(32 * MIB)
    const digest = await add(registry, bytes)
    const [source, ...rest] = await zoned(['a', 'b', 'b', 'b'])
    assert.ok(source !== undefined)
    connect(registry, source)
    await read(await source.exchange.fetch(digest))
    await registry.exchange.stop()
    join([source, ...rest])
    await Promise.all(
      rest.map(async ({ exchange }) => assert.ok((await read(await exchange.fetch(digest))).equals(bytes)))
    )
    const crossed = source.transfer.totals().sent.peer / bytes.length
    assert.ok(crossed >= 0.99 && crossed <= 1.25, `${crossed} copies crossed`)
  })

  it('of one node each do not wait for a zone mate', async () => {
    const registry = await createNode('registry')
    const bytes = randomBytes(4 * MIB)
    const digest = await add(registry, bytes)
    const [source, alone] = await zoned(['a', 'b'])
    assert.ok(source !== undefined && alone !== undefined)
    connect(registry, source)
    await read(await source.exchange.fetch(digest))
    await registry.exchange.stop()
    connect(source, alone)
    assert.ok((await read(await alone.exchange.fetch(digest))).equals(bytes))
  })
})
