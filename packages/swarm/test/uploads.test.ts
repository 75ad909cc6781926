import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { type ControlFrame, MAX_PIECE_BYTES } from '../src/exchange/frame.ts'
import { FrameParser } from '../src/exchange/frame-parser.ts'
import { LaneLink } from '../src/exchange/link.ts'
import { createMemoryLanes } from '../src/exchange/memory-lane.ts'
import { silentLogger } from '../src/logger.ts'
import { UploadSlots } from '../src/peers/upload-slots.ts'
import { MAX_QUEUED_UPLOADS, type UploadJob, Uploads } from '../src/peers/uploads.ts'
import { RateLimiter } from '../src/rate-limiter.ts'
import { createTransferMetrics } from '../src/transfer-metrics.ts'
import { ManualClock } from './manual-clock.ts'

const LARGE = 32 * MAX_PIECE_BYTES

/** Uploads to a peer that takes what it is sent only when `deliver` is called. */
function setUp(limiter = new RateLimiter()) {
  const pending: (() => void)[] = []
  const [ours, theirs] = createMemoryLanes({ schedule: (deliver) => pending.push(deliver) })
  const link = new LaneLink({
    lane: ours,
    peerId: 'peer',
    certificate: new Uint8Array(),
    agent: 'test',
    now: () => 0,
    verify: () => assert.fail('nobody says hello'),
    handler: {
      onReady: () => assert.fail(),
      onFrame: () => assert.fail(),
      onPiece: () => assert.fail(),
      onClose: () => undefined
    }
  })
  link.start()
  const pieces: number[] = []
  const frames: ControlFrame[] = []
  const parser = new FrameParser({
    onFrame: (frame) => frames.push(frame),
    onPiece: ({ channel }) => {
      pieces.push(channel)
      return undefined
    }
  })
  theirs.attach({ onData: (bytes) => parser.push(bytes), onClose: () => undefined })
  const transfer = createTransferMetrics(new Registry())
  const slots = new UploadSlots(new ManualClock())
  const uploads = new Uploads({ link, slots, limiter, logger: silentLogger, transfer })
  const finished: { channel: number; index: number; complete: boolean }[] = []
  const job = (channel: number, length: number, more: Partial<UploadJob> = {}): UploadJob => ({
    channel,
    index: 0,
    rarity: () => 0,
    share: () => 0,
    choose: () => ({ index: 0 }),
    length: () => length,
    read: () => Promise.resolve(),
    finished: (index, complete) => finished.push({ channel, index, complete }),
    ...more
  })
  const deliver = async (rounds: number) => {
    for (let i = 0; i < rounds; i++) {
      pending.shift()?.()
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  return { uploads, job, deliver, pieces, frames, finished, transfer }
}

describe('uploads to a peer', () => {
  it('do not hold up a small blob behind a large one', async () => {
    const { uploads, job, deliver, pieces, finished } = setUp()
    uploads.add(job(1, LARGE))
    await deliver(3)
    uploads.add(job(2, 100))
    await deliver(8)
    assert.ok(pieces.includes(2), `pieces so far: ${pieces}`)
    assert.ok(pieces.filter((channel) => channel === 1).length < 16)
    await deliver(60)
    assert.deepEqual(
      finished.map(({ channel, complete }) => [channel, complete]),
      [
        [2, true],
        [1, true]
      ]
    )
  })

  it('send what is rarest of what a peer asked for', async () => {
    const { uploads, job, deliver, finished } = setUp()
    const chunk = (index: number, held: number) =>
      job(1, LARGE, { index, choose: () => ({ index }), rarity: () => held })
    uploads.add(chunk(0, 9))
    for (const [index, held] of [
      [1, 3],
      [2, 1],
      [3, 3]
    ] as const) {
      uploads.add(chunk(index, held))
    }
    await deliver(5 * 33)
    assert.deepEqual(
      finished.map(({ index }) => index),
      [0, 2, 1, 3]
    )
  })

  it('stop in the middle of a chunk that is cancelled, and go on with the next', async () => {
    const { uploads, job, deliver, pieces, finished, transfer } = setUp()
    uploads.add(job(1, LARGE))
    uploads.add(job(1, LARGE, { index: 1, choose: () => ({ index: 1 }) }))
    uploads.add(job(1, 10, { index: 2, choose: () => ({ index: 2 }) }))
    await deliver(4)
    uploads.cancel(1, [0, 1])
    await deliver(60)
    assert.deepEqual(finished, [
      { channel: 1, index: 0, complete: false },
      { channel: 1, index: 2, complete: true }
    ])
    assert.ok(pieces.length < 16, `${pieces.length} pieces`)
    assert.equal(transfer.totals().sent.peer % MAX_PIECE_BYTES, 10)
  })

  it('say so when a chunk cannot be read, by number once the peer knows the number', async () => {
    const { uploads, job, deliver, frames, finished } = setUp()
    const fails = (_index: number, offset: number) =>
      offset === 0 ? Promise.resolve() : Promise.reject(new Error('the disk is gone'))
    uploads.add(job(1, LARGE, { index: undefined, choose: () => ({ index: 7 }), read: fails }))
    uploads.add(
      job(2, LARGE, { index: undefined, choose: () => ({ index: 8 }), read: () => Promise.reject(new Error('gone')) })
    )
    await deliver(20)
    const rejects = frames.filter((frame) => frame.type === 'reject')
    assert.deepEqual(
      rejects.map(({ channel, any, indexes }) => ({ channel, any, indexes })).sort((a, b) => a.channel - b.channel),
      [
        { channel: 1, any: 0, indexes: [7] },
        { channel: 2, any: 1, indexes: [] }
      ]
    )
    assert.equal(finished.length, 2)
  })

  it('say once for all that were left to us that there is none to give', async () => {
    const { uploads, job, deliver, frames } = setUp()
    let chosen = 0
    const choose = () => {
      chosen++
      return { reason: 'exhausted' } as const
    }
    for (let i = 0; i < 100; i++) uploads.add(job(1, LARGE, { index: undefined, choose }))
    await deliver(20)
    const rejects = frames.filter((frame) => frame.type === 'reject')
    assert.equal(
      rejects.reduce((sum, { any }) => sum + any, 0),
      100
    )
    assert.ok(rejects.length <= 2 && chosen <= 2, `${rejects.length} answers`)
    assert.equal(uploads.queued, 0)
  })

  it('that wait for the upload rate are given up at once when they are cancelled, or their peer goes', async () => {
    const limiter = new RateLimiter({ bytesPerSecond: 1, now: () => 0 })
    limiter.spend(limiter.available + 1000)
    const waiting = limiter.delayMs()
    const { uploads, job, deliver, pieces, finished } = setUp(limiter)
    uploads.add(job(1, LARGE))
    await deliver(2)
    uploads.add(job(2, LARGE))
    await deliver(2)
    uploads.cancel(1, [0])
    await deliver(2)
    assert.deepEqual(finished, [{ channel: 1, index: 0, complete: false }])
    uploads.close()
    await deliver(2)
    assert.equal(finished.length, 2)
    assert.deepEqual(pieces, [])
    assert.equal(limiter.delayMs(), waiting, 'the rate is not charged for them')
  })

  it('take a bounded number of asks', () => {
    const { uploads, job } = setUp()
    let taken = 0
    while (uploads.add(job(1, LARGE))) taken++
    assert.ok(taken <= MAX_QUEUED_UPLOADS + 1)
    assert.equal(uploads.queued, MAX_QUEUED_UPLOADS)
  })
})
