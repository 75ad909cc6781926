import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield } from '@shoal/content'
import fc from 'fast-check'
import {
  type PlannedPeer,
  type PlanState,
  planAsks,
  REGISTRY_LATENESS_MS,
  STARVING_MS
} from '../src/blob/ask-planner.ts'
import { PICK_WINDOW_CHUNKS, pickChunk } from '../src/blob/chunk-picker.ts'
import { Flights, MAX_COPIES } from '../src/blob/flights.ts'
import { PeerPace } from '../src/blob/peer-pace.ts'
import { SeedChooser } from '../src/blob/seed-chooser.ts'

const bits = (length: number, held: readonly number[]) => {
  const field = new Bitfield(length)
  for (const index of held) field.set(index)
  return field
}
const ask = (peer: string, have: Bitfield, more: { except?: number[]; again?: boolean } = {}) => ({
  peer,
  have,
  except: new Set(more.except ?? []),
  again: more.again ?? false
})
const nobody = () => 0

describe('a seed', () => {
  it('sends each chunk once, in order, before any twice', () => {
    const chooser = new SeedChooser(4)
    const empty = new Bitfield(4)
    const chosen = ['a', 'b', 'c', 'a'].map((peer) => chooser.choose(ask(peer, empty), nobody))
    assert.deepEqual(chosen, [0, 1, 2, 3])
    assert.equal(chooser.choose(ask('b', empty), nobody), undefined)
    assert.equal(chooser.choose(ask('b', empty, { again: true }), nobody), 0)
  })

  it('passes over what the leech holds, has asked for elsewhere, or others hold', () => {
    const chooser = new SeedChooser(4)
    const held = (index: number) => (index === 2 ? 1 : 0)
    assert.equal(chooser.choose(ask('a', bits(4, [0]), { except: [1] }), held), 3)
  })

  it('counts again what a departed leech took with it', () => {
    const chooser = new SeedChooser(2)
    const empty = new Bitfield(2)
    chooser.choose(ask('a', empty), nobody)
    chooser.choose(ask('b', empty), nobody)
    chooser.departed('a')
    assert.equal(chooser.choose(ask('c', empty), nobody), 0)
    chooser.failed('c', 0)
    assert.equal(chooser.choose(ask('d', empty), nobody), 0)
  })
})

describe('a leech picks', () => {
  it('the rarest chunk that the peer offers and nobody is asked for', () => {
    const availability = (index: number) => [3, 1, 2, 1][index] ?? 0
    const state = {
      have: bits(4, []),
      offered: bits(4, [0, 1, 2]),
      taken: nobody as never,
      availability,
      random: () => 0
    }
    assert.equal(pickChunk({ ...state, taken: () => false }), 1)
    assert.equal(pickChunk({ ...state, taken: (index) => index === 1 }), 2)
    assert.equal(pickChunk({ ...state, taken: () => false, offered: bits(4, []) }), undefined)
  })

  it('ties at random, evenly', () => {
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 4000; i++) {
      const state = { have: bits(4, []), offered: Bitfield.full(4), taken: () => false, availability: () => 1 }
      const index = pickChunk({ ...state, random: Math.random }) ?? 0
      counts[index] = (counts[index] ?? 0) + 1
    }
    for (const count of counts) assert.ok(count > 800 && count < 1200, `uneven: ${counts}`)
  })

  it('inside the window first, beyond it rather than nothing', () => {
    const length = PICK_WINDOW_CHUNKS + 10
    const far = PICK_WINDOW_CHUNKS + 5
    const state = {
      have: bits(length, []),
      taken: () => false,
      availability: (i: number) => (i === far ? 1 : 5),
      random: () => 0.5
    }
    const inside = pickChunk({ ...state, offered: Bitfield.full(length) })
    assert.ok(inside !== undefined && inside < PICK_WINDOW_CHUNKS)
    assert.equal(pickChunk({ ...state, offered: bits(length, [far]) }), far)
  })

  it('never a chunk that it holds, is on its way, or is not offered', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), fc.boolean(), fc.boolean()), { maxLength: 60 }), (chunks) => {
        const with_ = (which: 0 | 1 | 2) =>
          bits(
            chunks.length,
            chunks.flatMap((chunk, i) => (chunk[which] ? [i] : []))
          )
        const taken = with_(2)
        const index = pickChunk({
          have: with_(0),
          offered: with_(1),
          taken: (i) => taken.has(i),
          availability: () => 1,
          random: Math.random
        })
        const possible = chunks.some(([have, offered, busy]) => !have && offered && !busy)
        assert.equal(index !== undefined, possible)
        if (index !== undefined) assert.deepEqual(chunks[index], [false, true, false])
      })
    )
  })
})

describe('a plan', () => {
  const peer = (role: 'registry' | 'agent', have: Bitfield, more: Partial<PlannedPeer> = {}): PlannedPeer => ({
    role,
    have,
    distrusted: false,
    pace: new PeerPace(),
    outstanding: 0,
    anyOutstanding: 0,
    exhaustedUntil: 0,
    ...more
  })
  const state = (peers: PlannedPeer[], more: Partial<PlanState<PlannedPeer>> = {}): PlanState<PlannedPeer> => ({
    have: new Bitfield(8),
    chunkSize: 1024,
    peers,
    flights: new Flights<PlannedPeer>(),
    availability: (index) => peers.filter((p) => p.role === 'agent' && p.have?.has(index) === true).length,
    room: 100,
    idleSince: undefined,
    now: 10_000,
    random: () => 0.5,
    ...more
  })

  it('asks the registry for any, and as a starving leech when there is nobody else', () => {
    const registry = peer('registry', Bitfield.full(8))
    const [first, ...rest] = planAsks(state([registry]))
    assert.ok(first !== undefined && 'any' in first && first.again)
    assert.equal(rest.length, 0)
  })

  it('leaves the registry alone when agents hold everything', () => {
    const asks = planAsks(state([peer('registry', Bitfield.full(8)), peer('agent', Bitfield.full(8))]))
    assert.ok(asks.length > 0)
    for (const one of asks) assert.equal(one.peer.role, 'agent')
  })

  it('asks the registry only for what no agent holds', () => {
    const registry = peer('registry', Bitfield.full(8))
    const asks = planAsks(state([registry, peer('agent', bits(8, [0, 1, 2, 3, 4, 5]))]))
    const any = asks.find((one) => 'any' in one)
    assert.ok(any !== undefined && 'any' in any)
    assert.equal(any.any, 2)
    assert.equal(any.again, false)
  })

  it('asks an exhausted registry again only when starving', () => {
    const peers = [peer('registry', Bitfield.full(8), { exhaustedUntil: 20_000 }), peer('agent', bits(8, []))]
    assert.deepEqual(planAsks(state(peers, { idleSince: 10_000 - STARVING_MS + 1 })), [])
    const [again] = planAsks(state(peers, { idleSince: 10_000 - STARVING_MS }))
    assert.ok(again !== undefined && 'any' in again && again.again)
  })

  it('never asks for more than there is room for, nor the same chunk of two peers at once', () => {
    fc.assert(
      fc.property(fc.nat({ max: 12 }), fc.integer({ min: 1, max: 5 }), (room, agents) => {
        const peers = Array.from({ length: agents }, () => peer('agent', Bitfield.full(8)))
        const asks = planAsks(state([...peers, peer('registry', Bitfield.full(8))], { room }))
        const total = asks.reduce((sum, one) => sum + ('any' in one ? one.any : 1), 0)
        assert.ok(total <= room, `${total} > ${room}`)
        const indexes = asks.flatMap((one) => ('index' in one ? [one.index] : []))
        assert.equal(new Set(indexes).size, indexes.length)
      })
    )
  })

  it('asks elsewhere for a late chunk, at most three times, and the registry last', () => {
    const slow = peer('agent', Bitfield.full(8))
    const other = peer('agent', Bitfield.full(8))
    const registry = peer('registry', Bitfield.full(8))
    const have = Bitfield.full(8)
    have.clear(3)
    const flights = new Flights<PlannedPeer>()
    flights.add(3, slow, 0)
    const late = planAsks(state([slow, other, registry], { have, flights, now: REGISTRY_LATENESS_MS - 1 }))
    assert.deepEqual(late, [{ peer: other, index: 3 }])
    flights.add(3, other, 0)
    const later = planAsks(state([slow, other, registry], { have, flights, now: REGISTRY_LATENESS_MS }))
    assert.deepEqual(later, [{ peer: registry, index: 3 }])
    flights.add(3, registry, 0)
    assert.equal(flights.copies(3), MAX_COPIES)
    const fourth = peer('agent', Bitfield.full(8))
    assert.deepEqual(planAsks(state([slow, other, registry, fourth], { have, flights, now: 60_000 })), [])
  })

  it('does not ask those who sent a wrong chunk', () => {
    assert.deepEqual(planAsks(state([peer('agent', Bitfield.full(8), { distrusted: true })])), [])
  })
})
