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
import { openChunks, PICK_WINDOW_CHUNKS, type PickState, pickChunk } from '../src/blob/chunk-picker.ts'
import { Flights, MAX_COPIES } from '../src/blob/flights.ts'
import { PeerPace } from '../src/blob/peer-pace.ts'
import { REPEAT_AFTER_MS, RepeatGate } from '../src/blob/repeat-gate.ts'
import { SeedChooser } from '../src/blob/seed-chooser.ts'
import { FAR_AFTER_MS, TAKEOVER_AFTER_MS } from '../src/blob/zones.ts'
import { ManualClock } from './manual-clock.ts'

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
/** A pick among the chunks that are neither held nor taken. */
const pick = ({ have, taken, ...rest }: PickFrom) => pickChunk({ ...openChunks(have, taken), ...rest })
type PickFrom = Omit<PickState, 'chunks' | 'windowEnd'> & { have: Bitfield; taken: (index: number) => boolean }

describe('a seed', () => {
  it('sends each chunk once, in order, before any twice', () => {
    const chooser = new SeedChooser(4)
    const empty = new Bitfield(4)
    const chosen = ['a', 'b', 'c', 'a'].map((peer) => chooser.choose(ask(peer, empty), nobody))
    assert.deepEqual(chosen, [0, 1, 2, 3])
    assert.equal(chooser.choose(ask('b', empty), nobody), undefined)
    assert.equal(chooser.choose(ask('b', empty, { again: true }), nobody), 0)
  })

  it('passes over what the leech holds or has asked for elsewhere, and leaves what others hold for later', () => {
    const chooser = new SeedChooser(4)
    const held = (index: number) => (index === 2 ? 1 : 0)
    assert.equal(chooser.choose(ask('a', bits(4, [0]), { except: [1] }), held), 3)
    assert.equal(chooser.choose(ask('b', bits(4, [0]), { except: [1] }), held), 2)
  })

  it('sends a chunk that many ask for by number to one of them, to that one again, and to the others later', () => {
    const clock = new ManualClock()
    const chooser = new SeedChooser(4, { repeats: new RepeatGate(clock, REPEAT_AFTER_MS) })
    assert.equal(chooser.choose(ask('a', new Bitfield(4)), nobody), 0)
    assert.deepEqual([chooser.give('b', 0), chooser.give('b', 1), chooser.give('c', 1)], [false, true, false])
    assert.equal(chooser.give('b', 1), true, 'what it was sent before may be lost')
    clock.advance(REPEAT_AFTER_MS)
    assert.deepEqual([chooser.give('c', 1), chooser.give('d', 1)], [true, false])
    assert.equal(chooser.copies(1), 2)
    const agent = new SeedChooser(4, { repeats: new RepeatGate(clock, 0) })
    assert.deepEqual([agent.give('a', 0), agent.give('b', 0)], [true, true])
  })

  it('sends every chunk though a peer says that it holds them all', () => {
    const chooser = new SeedChooser(2)
    const everything = () => 1
    const empty = new Bitfield(2)
    assert.equal(chooser.choose(ask('a', empty), everything), 0)
    assert.equal(chooser.choose(ask('a', empty), everything), 1)
  })

  it('sends a starving leech what it was not sent before, first', () => {
    const chooser = new SeedChooser(2)
    const empty = new Bitfield(2)
    assert.equal(chooser.choose(ask('a', empty), nobody), 0)
    assert.equal(chooser.choose(ask('b', empty), nobody), 1)
    assert.equal(chooser.choose(ask('a', empty, { again: true }), nobody), 1)
  })

  it('sends a chunk no more often than it may, but again to one that it was sent to', () => {
    const chooser = new SeedChooser(1, { maxCopies: 2 })
    const empty = new Bitfield(1)
    assert.equal(chooser.choose(ask('a', empty), nobody), 0)
    assert.equal(chooser.choose(ask('b', empty, { again: true }), nobody), 0)
    assert.equal(chooser.choose(ask('c', empty, { again: true }), nobody), undefined)
    assert.equal(chooser.mayCount('c', 0), false)
    assert.equal(chooser.choose(ask('b', empty, { again: true }), nobody), 0)
    chooser.departed('a')
    assert.equal(chooser.choose(ask('c', empty, { again: true }), nobody), 0)
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
      availability,
      random: () => 0
    }
    assert.equal(pick({ ...state, taken: () => false }), 1)
    assert.equal(pick({ ...state, taken: (index) => index === 1 }), 2)
    assert.equal(pick({ ...state, taken: () => false, offered: bits(4, []) }), undefined)
  })

  it('ties at random, evenly', () => {
    const counts = [0, 0, 0, 0]
    for (let i = 0; i < 4000; i++) {
      const state = { have: bits(4, []), offered: Bitfield.full(4), taken: () => false, availability: () => 1 }
      const index = pick({ ...state, random: Math.random }) ?? 0
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
    const inside = pick({ ...state, offered: Bitfield.full(length) })
    assert.ok(inside !== undefined && inside < PICK_WINDOW_CHUNKS)
    assert.equal(pick({ ...state, offered: bits(length, [far]) }), far)
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
        const index = pick({
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
    near: true,
    have,
    distrusted: false,
    pace: new PeerPace(),
    outstanding: 0,
    anyOutstanding: 0,
    owesSince: undefined,
    exhaustedUntil: 0,
    pausedUntil: 0,
    refusedUntil: new Map(),
    ...more
  })
  const state = (peers: PlannedPeer[], more: Partial<PlanState<PlannedPeer>> = {}): PlanState<PlannedPeer> => ({
    have: new Bitfield(8),
    chunkSize: 1024,
    peers,
    flights: new Flights<PlannedPeer>(),
    urgent: [],
    availability: (index) => peers.filter((p) => p.role === 'agent' && p.have?.has(index) === true).length,
    room: 100,
    progressAt: 10_000,
    homeProgressAt: 10_000,
    startedAt: 0,
    owns: () => true,
    now: 10_000,
    random: () => 0.5,
    ...more
  })

  it('asks the registry for any, and as a starving leech when there is nobody else', () => {
    const registry = peer('registry', Bitfield.full(8))
    const [first, ...rest] = planAsks(state([registry]))
    assert.ok(first !== undefined && 'any' in first && !first.again)
    assert.equal(rest.length, 0)
    const [second] = planAsks(state([{ ...registry, exhaustedUntil: 20_000 }]))
    assert.ok(second !== undefined && 'any' in second && second.again)
  })

  it('leaves the registry alone when agents hold everything', () => {
    const asks = planAsks(state([peer('registry', Bitfield.full(8)), peer('agent', Bitfield.full(8))]))
    assert.ok(asks.length > 0)
    for (const one of asks) assert.equal(one.peer.role, 'agent')
  })

  it('does not ask a peer again at once for a chunk that it refused', () => {
    const refuser = peer('agent', Bitfield.full(8), { refusedUntil: new Map([[3, 10_001]]) })
    const asked = (now: number) =>
      planAsks(state([refuser], { now })).flatMap((one) => ('index' in one ? [one.index] : []))
    assert.deepEqual(asked(10_000).includes(3), false)
    assert.ok(asked(10_000).length > 0)
    const only = { ...refuser, have: bits(8, [3]) }
    assert.deepEqual(planAsks(state([only], { now: 10_000 })), [])
    assert.equal(planAsks(state([only], { now: 10_001 })).length, 1)
    const registry = peer('registry', Bitfield.full(8))
    const full = {
      ...refuser,
      refusedUntil: new Map(Array.from({ length: 8 }, (_, index) => [index, 10_001] as const))
    }
    assert.deepEqual(
      planAsks(state([registry, full], { now: 10_000 })).map((one) => one.peer),
      [registry]
    )
  })

  it('asks the registry for what is held by an agent that owes chunks and sends none', () => {
    const registry = peer('registry', Bitfield.full(8))
    const asksRegistry = (owesSince: number) => {
      const idle = peer('agent', Bitfield.full(8), { outstanding: 4, owesSince })
      return planAsks(state([registry, idle])).some((one) => one.peer === registry)
    }
    assert.equal(asksRegistry(9_000), false)
    assert.equal(asksRegistry(7_000), true)
  })

  it('asks agents of other zones for nothing while the registry gives, then for what is its turn, then for all', () => {
    const far = peer('agent', Bitfield.full(8), { near: false })
    const peers = [peer('registry', Bitfield.full(8), { exhaustedUntil: 20_000 }), far]
    const owns = (index: number) => index % 2 === 0
    const asked = (homeProgressAt: number) => {
      const asks = planAsks(state(peers, { homeProgressAt, owns }))
      return asks.flatMap((one) => ('index' in one && one.peer === far ? [one.index] : [])).sort()
    }
    assert.deepEqual(asked(10_000), [])
    assert.deepEqual(asked(10_000 - FAR_AFTER_MS), [0, 2, 4, 6])
    assert.equal(
      asked(10_000 - TAKEOVER_AFTER_MS).some((index) => index % 2 === 1),
      true
    )
  })

  it('does not ask other zones for what a quick peer of its own has', () => {
    const far = peer('agent', Bitfield.full(8), { near: false })
    const near = peer('agent', bits(8, [0, 1, 2, 3]))
    const asks = planAsks(state([near, far], { homeProgressAt: 0 }))
    for (const one of asks) assert.equal('index' in one && one.index < 4, one.peer === near)
  })

  it('asks the registry only for what no agent holds', () => {
    const registry = peer('registry', Bitfield.full(8))
    const asks = planAsks(state([registry, peer('agent', bits(8, [0, 1, 2, 3, 4, 5]))]))
    const any = asks.find((one) => 'any' in one)
    assert.ok(any !== undefined && 'any' in any)
    assert.equal(any.any, 2)
    assert.equal(any.again, false)
  })

  it('asks the registry too for what only a slow agent holds', () => {
    const slow = new PeerPace()
    slow.arrived(1024, 3_000, 3_000)
    const holder = peer('agent', Bitfield.full(8), { pace: slow, outstanding: 1 })
    const asks = planAsks(state([peer('registry', Bitfield.full(8)), holder]))
    const any = asks.find((one) => 'any' in one)
    assert.ok(any !== undefined && 'any' in any && !any.again && any.any > 0)
  })

  it('lets a peer be that was busy', () => {
    assert.deepEqual(planAsks(state([peer('agent', Bitfield.full(8), { pausedUntil: 10_001 })])), [])
  })

  it('asks an exhausted registry again only when starving', () => {
    const peers = [peer('registry', Bitfield.full(8), { exhaustedUntil: 20_000 }), peer('agent', bits(8, []))]
    assert.deepEqual(planAsks(state(peers, { progressAt: 10_000 - STARVING_MS + 1 })), [])
    const [again] = planAsks(state(peers, { progressAt: 10_000 - STARVING_MS }))
    assert.ok(again !== undefined && 'any' in again && again.again)
    // However long the chunk map was looked for.
    assert.deepEqual(planAsks(state(peers, { progressAt: 0, startedAt: 10_000 - STARVING_MS + 1 })), [])
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
    const drippers = new Flights<PlannedPeer>()
    for (const dripper of [slow, other, fourth]) drippers.add(3, dripper, 0)
    const rescued = planAsks(state([slow, other, registry, fourth], { have, flights: drippers, now: 60_000 }))
    assert.deepEqual(rescued, [{ peer: registry, index: 3 }], 'three that send nothing do not keep the registry out')
  })

  it('asks for what a reader waits for first, of the agent with the least to send, and of the registry only when told', () => {
    const busy = peer('agent', Bitfield.full(8), { outstanding: 3 })
    const idle = peer('agent', bits(8, [6]))
    const registry = peer('registry', Bitfield.full(8))
    const plan = (urgent: PlanState<PlannedPeer>['urgent'], peers: PlannedPeer[]) =>
      planAsks(state(peers, { urgent }))[0]
    assert.deepEqual(plan([{ index: 6, fromRegistry: true }], [registry, busy, idle]), { peer: idle, index: 6 })
    assert.deepEqual(plan([{ index: 5, fromRegistry: false }], [registry, busy, idle]), { peer: busy, index: 5 })
    const lacking = peer('agent', bits(8, []))
    assert.deepEqual(plan([{ index: 5, fromRegistry: true }], [registry, lacking]), { peer: registry, index: 5 })
    const left = plan([{ index: 5, fromRegistry: false }], [registry, lacking])
    assert.ok(left !== undefined && 'any' in left)
  })

  it('does not ask again for a chunk that it was refused, until the time is over, and for others all the same', () => {
    const registry = peer('registry', Bitfield.full(8), { refusedUntil: new Map([[5, 10_500]]) })
    const lacking = peer('agent', bits(8, []))
    const plan = (index: number, now: number) =>
      planAsks(state([registry, lacking], { urgent: [{ index, fromRegistry: true }], now }))[0]
    const refused = plan(5, 10_000)
    assert.ok(refused !== undefined && 'any' in refused)
    assert.deepEqual(plan(6, 10_000), { peer: registry, index: 6 })
    assert.deepEqual(plan(5, 10_500), { peer: registry, index: 5 })
  })

  it('does not ask those who sent a wrong chunk', () => {
    assert.deepEqual(planAsks(state([peer('agent', Bitfield.full(8), { distrusted: true })])), [])
  })
})
