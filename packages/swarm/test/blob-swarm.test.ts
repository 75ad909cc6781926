import assert from 'node:assert/strict'
import { it } from 'node:test'
import { Bitfield } from '@shoal/content'
import { BlobSwarm } from '../src/blob/blob-swarm.ts'
import type { SwarmListener } from '../src/blob/blob-swarm-init.ts'
import type { ExchangeFrame, Link } from '../src/exchange/link.ts'
import { swarmInit } from './swarm-inits.ts'

const init = swarmInit()
const { digest } = init

function setUp() {
  const swarm = new BlobSwarm(init)
  const listener: Partial<SwarmListener> = { onParticipant: () => undefined, onGone: () => undefined }
  swarm.listener = listener as SwarmListener
  const introduce = (peerId: string) => {
    const frames: ExchangeFrame[] = []
    const link: Partial<Link> = { peerId, heardAt: 0, closed: false, send: (frame) => void frames.push(frame) }
    swarm.introduce(link as Link)
    return { frames, link: link as Link, left: () => frames.filter(({ type }) => type === 'leave').length }
  }
  return { swarm, introduce }
}

it('a swarm gives back its number on every link that has it, whatever was answered', () => {
  const { swarm, introduce } = setUp()
  const [silent, absent, gone, departed] = ['silent', 'absent', 'gone', 'departed'].map(introduce)
  assert.ok(silent && absent && gone && departed)
  swarm.onBitfield(absent.link, { type: 'bitfield', channel: 0, digest, want: false, absent: true })
  swarm.onBitfield(departed.link, { type: 'bitfield', channel: 3, digest, want: true, absent: false })
  swarm.onFrame(departed.link, { type: 'leave', channel: 3 })
  swarm.onLinkClosed(gone.link)
  swarm.leave()
  assert.deepEqual(
    [silent, absent, gone, departed].map(({ left }) => left()),
    [1, 1, 0, 1]
  )
  swarm.leave()
  assert.equal(silent.left(), 1)
})

it('a swarm does not keep the bits of a peer whose idea of the blob differs', () => {
  const { swarm, introduce } = setUp()
  const { link } = introduce('peer')
  const state = { size: 1024 * 1024 * 1024, chunkSize: 4 * 1024 * 1024, bits: new Uint8Array(32) }
  swarm.onBitfield(link, { type: 'bitfield', channel: 1, digest, want: true, absent: false, state })
  assert.deepEqual(swarm.participants.get('peer')?.shape, { size: state.size, chunkSize: state.chunkSize })
})

it('a swarm that learns the chunk map tells it to all that know of it, whether they have answered or not', async () => {
  const { swarm, introduce } = setUp()
  const [silent, answered, absent] = ['silent', 'answered', 'absent'].map(introduce)
  assert.ok(silent && answered && absent)
  swarm.onBitfield(answered.link, { type: 'bitfield', channel: 1, digest, want: true, absent: false })
  swarm.onBitfield(absent.link, { type: 'bitfield', channel: 0, digest, want: false, absent: true })
  const map = { digest, size: 8, chunkSize: 4, chunkDigests: new Uint8Array(64) }
  const nothing = () => Promise.resolve()
  swarm.hold({ map, segments: [], have: new Bitfield(2), read: nothing, close: nothing })
  const told = [silent, answered, absent].map(({ frames }) => frames.filter((frame) => 'state' in frame).length)
  assert.deepEqual(told, [1, 1, 0])
})
