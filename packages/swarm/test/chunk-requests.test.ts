import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield, ChunkBuffers, type ChunkMap, type PartialBlob } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { ChunkRequests } from '../src/blob/chunk-requests.ts'
import { Participant } from '../src/blob/participant.ts'
import type { ExchangeFrame, Link } from '../src/exchange/link.ts'
import { ManualClock } from './manual-clock.ts'

const CHUNK = 256 * 1024
const map: ChunkMap = {
  digest: digestOf(Buffer.from('a blob')),
  size: 8 * CHUNK,
  chunkSize: CHUNK,
  chunkDigests: new Uint8Array(8 * 32)
}

/** Requests whose bytes are counted against a rate. */
function setUp() {
  let spent = 0
  const blob: Partial<PartialBlob> = { map, have: new Bitfield(8) }
  const requests = new ChunkRequests({
    blob: blob as PartialBlob,
    buffers: new ChunkBuffers(),
    clock: new ManualClock(),
    channel: () => 1,
    stray: () => assert.fail('nothing comes'),
    refresh: () => undefined,
    spend: (bytes) => {
      spent += bytes
    }
  })
  const frames: ExchangeFrame[] = []
  const link: Partial<Link> = { peerId: 'peer', heardAt: 0, closed: false, send: (frame) => void frames.push(frame) }
  const peer = new Participant(link as Link, { role: 'registry', zone: '', near: true }, 1)
  requests.send([
    { peer, index: 1 },
    { peer, index: 2 },
    { peer, any: 3, again: false, except: [] }
  ])
  assert.equal(spent, 5 * CHUNK)
  return { requests, peer, spent: () => spent }
}

describe('the download rate', () => {
  it('is given back for what a peer will not send, and once only', () => {
    const { requests, peer, spent } = setUp()
    const reject = { type: 'reject', channel: 1, reason: 'exhausted', any: 2, indexes: [2] } as const
    requests.rejected(peer, reject)
    assert.equal(spent(), 2 * CHUNK)
    requests.rejected(peer, { ...reject, any: 60_000 })
    assert.equal(spent(), CHUNK)
    requests.rejected(peer, { ...reject, any: 60_000 })
    assert.equal(spent(), CHUNK)
  })

  it('is given back for what a peer that has gone was asked for', () => {
    const { requests, peer, spent } = setUp()
    requests.forget(peer)
    assert.equal(spent(), 0)
  })

  it('is given back for what is taken back', () => {
    const { requests, peer, spent } = setUp()
    requests.takeAllBack(peer)
    assert.equal(spent(), 0)
  })
})
