import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Bitfield, type ChunkMap, type PartialBlob } from '@shoal/content'
import { digestOf } from '@shoal/oci'
import { BlobSwarm } from '../src/blob/blob-swarm.ts'
import { ChunkRequests } from '../src/blob/chunk-requests.ts'
import { Participant } from '../src/blob/participant.ts'
import type { ExchangeFrame, Link } from '../src/exchange/link.ts'
import type { Role } from '../src/membership/certificate.ts'
import type { UploadJob } from '../src/peers/uploads.ts'
import { ManualClock } from './manual-clock.ts'
import { swarmInit } from './swarm-inits.ts'

const CHANNEL = 1
const CHUNKS = 8
const digest = digestOf(Buffer.from('a blob'))
const chunkSize = 256 * 1024
const map: ChunkMap = { digest, size: CHUNKS * chunkSize, chunkSize, chunkDigests: new Uint8Array(CHUNKS * 32) }

function fakeLink(peerId: string): Link & { readonly frames: ExchangeFrame[] } {
  const frames: ExchangeFrame[] = []
  const link: Partial<Link> = { peerId, heardAt: 0, closed: false, send: (frame) => void frames.push(frame) }
  return Object.assign(link as Link, { frames })
}

/** A registry's side of a blob's swarm; `begin` lets a peer that asks have its turn. */
function createSeed() {
  const jobs: UploadJob[] = []
  const swarm = new BlobSwarm(swarmInit({ digest, channel: () => CHANNEL, upload: (_link, job) => jobs.push(job) > 0 }))
  swarm.hold({
    map,
    segments: [],
    have: Bitfield.full(CHUNKS),
    read: () => Promise.resolve(),
    close: () => Promise.resolve()
  })
  const begin = (link: Link) => {
    swarm.onFrame(link, { type: 'askAny', channel: CHANNEL, count: 1, again: false, except: [] })
    const job = jobs.pop()
    const choice = job?.choose()
    return { job, index: choice !== undefined && 'index' in choice ? choice.index : undefined }
  }
  const join = (peerId: string) => {
    const link = fakeLink(peerId)
    const state = { size: map.size, chunkSize: map.chunkSize, bits: new Bitfield(CHUNKS).bytes }
    swarm.onBitfield(link, { type: 'bitfield', channel: CHANNEL, digest, want: true, absent: false, state })
    return link
  }
  return { swarm, begin, join }
}

describe('a chunk that left the registry for a peer that has gone', () => {
  it('leaves it again, but not once more for everybody who turns out to have it', () => {
    const { swarm, begin, join } = createSeed()
    const [gone, a, b] = [join('gone'), join('a'), join('b')]
    assert.equal(begin(gone).index, 0)
    swarm.onLinkClosed(gone)
    const { job, index } = begin(a)
    assert.equal(index, 0)
    // The chunk has come to a from elsewhere: it says so and takes its ask back.
    swarm.onFrame(a, { type: 'have', channel: CHANNEL, indexes: [0] })
    job?.finished(0, false)
    const sent = Array.from({ length: CHUNKS }, () => begin(b).index)
    assert.deepEqual(sent, [1, 2, 3, 4, 5, 6, 7, undefined])
  })

  it('leaves it again when it did not come to its end and the peer does not have it', () => {
    const { begin, join } = createSeed()
    const [a, b] = [join('a'), join('b')]
    begin(a).job?.finished(0, false)
    assert.equal(begin(b).index, 0)
  })
})

describe('a leech that takes back what it has by now', () => {
  const takeBack = (role: Role, held: readonly number[]) => {
    const have = new Bitfield(CHUNKS)
    for (const index of held) have.set(index)
    const blob: Partial<PartialBlob> = { map, have }
    const requests = new ChunkRequests({
      blob: blob as PartialBlob,
      buffers: { take: () => assert.fail('nothing comes') },
      clock: new ManualClock(),
      channel: () => CHANNEL,
      stray: () => undefined,
      refresh: () => undefined,
      spend: () => undefined
    })
    const link = fakeLink('other')
    const participant = new Participant(link, { role, zone: '', near: true }, CHANNEL)
    requests.send([0, 1].map((index) => ({ peer: participant, index })))
    link.frames.length = 0
    requests.takeBack(participant, [0, 1])
    return link.frames
  }
  const cancel = { type: 'cancel', channel: CHANNEL, indexes: [0, 1] }

  it('tells a registry that it has it, first', () => {
    assert.deepEqual(takeBack('registry', [1]), [{ type: 'have', channel: CHANNEL, indexes: [1] }, cancel])
    assert.deepEqual(takeBack('registry', []), [cancel])
  })

  it('tells agents no more than it tells them anyway', () => {
    assert.deepEqual(takeBack('agent', [1]), [cancel])
  })
})
