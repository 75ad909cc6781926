import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { OciError, RegistryUnreachableError } from '@shoal/oci'
import { PROBE_INTERVAL_MS, RegistryBreaker, silentLogger } from '../src/index.ts'
import { ManualClock } from './manual-clock.ts'

function breakerOf(answers: (() => Promise<void>)[], maxProbeIntervalMs?: number) {
  const clock = new ManualClock()
  let pings = 0
  const client = { ping: () => answers[Math.min(pings++, answers.length - 1)]?.() ?? Promise.resolve() }
  const more = maxProbeIntervalMs === undefined ? {} : { maxProbeIntervalMs }
  const breaker = new RegistryBreaker({ client, clock, logger: silentLogger, ...more })
  return { breaker, clock, pings: () => pings }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

const no = () => Promise.reject(new RegistryUnreachableError('there', 'no'))

describe('a breaker', () => {
  it('lets a registry rest for as long as it asked, whatever is answered meanwhile', async () => {
    const { breaker, clock, pings } = breakerOf([() => Promise.resolve()])
    const busy = new OciError('TOOMANYREQUESTS', 'later', { retryAfterMs: 30_000 })
    await assert.rejects(
      breaker.ask(1000, () => Promise.reject(busy)),
      busy
    )
    assert.equal(breaker.down, true)
    breaker.answered()
    clock.advance(29_000)
    assert.deepEqual([breaker.down, pings()], [true, 0])
    clock.advance(1_000)
    await settled()
    assert.deepEqual([breaker.down, pings()], [false, 1])
    breaker.stop()
  })

  it('asks less and less often, up to a bound', async () => {
    const { breaker, clock, pings } = breakerOf([no], 4 * PROBE_INTERVAL_MS)
    breaker.trip()
    for (const [waited, expected] of [
      [1, 1],
      [2, 2],
      [4, 3],
      [4, 4]
    ] as const) {
      clock.advance(waited * PROBE_INTERVAL_MS - 1)
      await settled()
      assert.equal(pings(), expected - 1)
      clock.advance(1)
      await settled()
      assert.equal(pings(), expected)
    }
    breaker.stop()
  })

  it('takes a refusal for an answer', async () => {
    const { breaker } = breakerOf([no])
    breaker.trip()
    const denied = new OciError('DENIED', 'no')
    await assert.rejects(
      breaker.ask(1000, () => Promise.reject(denied)),
      denied
    )
    assert.equal(breaker.down, false)
    breaker.stop()
  })
})
