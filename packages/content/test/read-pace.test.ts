import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { QUICK_READ_BYTES, ReadPace, SLOW_READ_MS, SLOW_READ_PENALTY } from '../src/read-pace.ts'

function paceWithClock() {
  const clock = { ms: 0 }
  const pace = new ReadPace(() => clock.ms)
  const readIn = (ms: number): number =>
    pace.time(() => {
      clock.ms += ms
      return 7
    })
  return { clock, pace, readIn }
}

describe('the pace of reads', () => {
  it('lets the main thread read as long as reads are quick', () => {
    const { pace, readIn } = paceWithClock()
    for (let read = 0; read < 100; read++) {
      assert.ok(pace.mayWait(QUICK_READ_BYTES), `read ${read}`)
      assert.equal(readIn(SLOW_READ_MS), 7)
    }
    assert.equal(pace.mayWait(QUICK_READ_BYTES + 1), false)
  })

  it('keeps it from waiting for a disk more than two percent of the time', () => {
    const { clock, pace, readIn } = paceWithClock()
    let waitedMs = 0
    while (clock.ms < 60_000) {
      if (!pace.mayWait(1)) {
        clock.ms += 1
        continue
      }
      readIn(10)
      waitedMs += 10
    }
    assert.ok(waitedMs / clock.ms <= 1 / SLOW_READ_PENALTY, `${waitedMs} of ${clock.ms} ms`)
    assert.ok(waitedMs > 0)
  })

  it('goes on reading for itself after a read that failed', () => {
    const { pace } = paceWithClock()
    assert.throws(() =>
      pace.time(() => {
        throw new Error('EIO')
      })
    )
    assert.ok(pace.mayWait(1))
  })
})
