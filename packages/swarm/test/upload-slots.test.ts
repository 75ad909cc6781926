import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  MAX_LEASE_MS,
  MIN_LEASE_MS,
  PATIENCE_MS,
  UPLOAD_SLOTS,
  type UploadSlot,
  UploadSlots
} from '../src/peers/upload-slots.ts'
import { ManualClock } from './manual-clock.ts'

const CHUNK_BYTES = 1_000_000

function setUp() {
  const clock = new ManualClock()
  const slots = new UploadSlots(clock)
  const begun: string[] = []
  const held = new Map<string, UploadSlot>()
  const peer = (name: string, bytes = CHUNK_BYTES, share = 0) => ({
    share,
    begin: (slot: UploadSlot) => {
      begun.push(name)
      if (bytes > 0) held.set(name, slot)
      return bytes
    }
  })
  const end = (name: string) => held.get(name)?.release(CHUNK_BYTES)
  return { clock, slots, begun, peer, end }
}

describe('upload slots', () => {
  it('let a few peers begin and the others wait for their turns, first come first served', () => {
    const { slots, begun, peer, end } = setUp()
    const names = Array.from({ length: UPLOAD_SLOTS + 2 }, (_, number) => `peer ${number}`)
    for (const name of names) slots.request(peer(name))
    assert.deepEqual(begun, names.slice(0, UPLOAD_SLOTS))
    end('peer 1')
    end('peer 0')
    assert.deepEqual(begun, names)
    assert.equal(slots.waiting, 0)
  })

  it('are given to those who hold least', () => {
    const { slots, begun, peer, end } = setUp()
    for (let number = 0; number < UPLOAD_SLOTS; number++) slots.request(peer(`peer ${number}`))
    slots.request(peer('most', CHUNK_BYTES, 0.75))
    slots.request(peer('least', CHUNK_BYTES, 0.25))
    slots.request(peer('half', CHUNK_BYTES, 0.5))
    for (let number = 0; number < 3; number++) end(`peer ${number}`)
    assert.deepEqual(begun.slice(UPLOAD_SLOTS), ['least', 'half', 'most'])
  })

  it('are given to who has waited too long before those who hold less', () => {
    const { clock, slots, begun, peer, end } = setUp()
    for (let number = 0; number < UPLOAD_SLOTS; number++) slots.request(peer(`peer ${number}`))
    slots.request(peer('patient', CHUNK_BYTES, 0.75))
    clock.advance(PATIENCE_MS)
    slots.request(peer('new'))
    end('peer 0')
    assert.deepEqual(begun.slice(UPLOAD_SLOTS), ['patient'])
  })

  it('count a chunk once, however often its end is told', () => {
    const { slots, begun, peer, end } = setUp()
    for (let number = 0; number < UPLOAD_SLOTS + 2; number++) slots.request(peer(`peer ${number}`))
    end('peer 0')
    end('peer 0')
    assert.equal(begun.length, UPLOAD_SLOTS + 1)
  })

  it('pass over a peer that needs nothing any more, or has gone', () => {
    const { slots, begun, peer, end } = setUp()
    for (let number = 0; number < UPLOAD_SLOTS; number++) slots.request(peer(`peer ${number}`))
    const gone = peer('gone')
    slots.request(gone)
    slots.request(peer('idle', 0))
    slots.request(peer('last'))
    slots.withdraw(gone)
    end('peer 0')
    assert.deepEqual(begun.slice(UPLOAD_SLOTS), ['idle', 'last'])
  })

  it('do not let slow receivers keep the others waiting', () => {
    const { clock, slots, begun, peer, end } = setUp()
    slots.request(peer('quick'))
    clock.advance(10)
    end('quick')
    for (let number = 0; number < UPLOAD_SLOTS; number++) slots.request(peer(`slow ${number}`))
    slots.request(peer('next'))
    clock.advance(MIN_LEASE_MS - 1)
    assert.equal(begun.includes('next'), false)
    clock.advance(1)
    assert.equal(begun.at(-1), 'next')
  })

  it('wait longer where all are slow, but not for ever', () => {
    const { clock, slots, begun, peer, end } = setUp()
    slots.request(peer('first'))
    clock.advance(800)
    end('first')
    for (let number = 0; number < UPLOAD_SLOTS; number++) slots.request(peer(`slow ${number}`))
    slots.request(peer('next'))
    clock.advance(1_599)
    assert.equal(begun.includes('next'), false)
    clock.advance(MAX_LEASE_MS - 1_599)
    assert.equal(begun.at(-1), 'next')
  })
})
