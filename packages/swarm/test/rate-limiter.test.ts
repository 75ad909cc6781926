import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RateLimiter } from '../src/rate-limiter.ts'

const RATE = 1_000_000
const PIECE = 128 * 1024

/** A limiter in time that passes when `pass` is called; who waits is let on when its time has come. */
function setUp(bytesPerSecond = RATE) {
  let now = 0
  const waiting = new Set<{ until: number; go: () => void }>()
  const limiter = new RateLimiter({
    bytesPerSecond,
    now: () => now,
    wait: (ms, signal) => {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiter = { until: now + ms, go: resolve }
      waiting.add(waiter)
      signal?.addEventListener('abort', () => {
        waiting.delete(waiter)
        reject(signal.reason)
      })
      return promise
    }
  })
  const pass = async (ms: number) => {
    now += ms
    for (const waiter of waiting) {
      if (waiter.until > now) continue
      waiting.delete(waiter)
      waiter.go()
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
  return { limiter, pass, now: () => now }
}

describe('a rate', () => {
  it('is kept exactly in the long run, whatever the sizes of what passes', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.integer({ min: 1, max: PIECE }), { minLength: 50, maxLength: 200 }),
        async (sizes) => {
          const { limiter, pass, now } = setUp()
          let passed = 0
          const total = sizes.reduce((sum, size) => sum + size, 0)
          const burst = limiter.available
          const sending = (async () => {
            for (const size of sizes) {
              await limiter.take(size)
              passed += size
            }
          })()
          while (passed < total) await pass(1)
          await sending
          // A take passes when the debt before it is paid, so the last one may be ahead of the rate by its own length.
          const least = ((total - burst - PIECE) / RATE) * 1000
          const most = (Math.max(0, total - burst) / RATE) * 1000 + sizes.length
          assert.ok(now() >= least && now() <= most, `${total} bytes took ${now()} ms, not ${least} to ${most}`)
        }
      ),
      { numRuns: 20 }
    )
  })

  it('lets no more through at once after a long rest than a quarter of a second of it', async () => {
    const { limiter, pass } = setUp(4 * RATE)
    await pass(3_600_000)
    assert.equal(limiter.available, RATE)
  })

  it('lets a take on that is larger than what may pass at once, and makes the next one pay for it', async () => {
    const { limiter, pass } = setUp()
    const burst = limiter.available
    await limiter.take(burst + RATE)
    assert.equal(limiter.available, 0)
    assert.equal(limiter.delayMs(), 1000)
    let next = false
    const taking = limiter.take(1).then(() => {
      next = true
    })
    await pass(999)
    assert.equal(next, false)
    await pass(1)
    assert.equal(next, true)
    await taking
  })

  it('is not charged for what was given up while it waited', async () => {
    const { limiter } = setUp()
    await limiter.take(limiter.available + RATE)
    const before = limiter.delayMs()
    const controller = new AbortController()
    const reason = new Error('not wanted any more')
    const taking = limiter.take(5 * RATE, { signal: controller.signal })
    controller.abort(reason)
    await assert.rejects(taking, reason)
    assert.equal(limiter.delayMs(), before)
    await assert.rejects(limiter.take(1, { signal: controller.signal }), reason)
    assert.equal(limiter.delayMs(), before)
  })

  it('holds nobody up when there is none', async () => {
    const unlimited = new RateLimiter()
    await unlimited.take(Number.MAX_SAFE_INTEGER)
    assert.equal(unlimited.delayMs(), 0)
    assert.equal(unlimited.available, Number.POSITIVE_INFINITY)
  })
})
