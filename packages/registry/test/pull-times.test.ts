import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf } from '@shoal/oci'
import type { PullRecord } from '../src/metadata.ts'
import { PULL_TIMES_PENDING_MAX, PullTimes } from '../src/pull-times.ts'
import { pushImage, startRegistry } from './harness.ts'

const A = digestOf(Buffer.from('a'))

function fake() {
  const written: PullRecord[][] = []
  const errors: unknown[] = []
  const clock = { now: 1 }
  const state = { broken: false }
  const times = new PullTimes({
    metadata: {
      recordPulls: async (pulls) => {
        if (state.broken) throw new Error('no space')
        written.push([...pulls])
      },
      pulledAt: async () => 100
    },
    now: () => clock.now,
    onError: (error) => errors.push(error)
  })
  return { times, written, errors, clock, state }
}

it('a thousand pulls of a manifest are one write, of the last time', async () => {
  const { times, written, clock } = fake()
  for (let n = 0; n < 1000; n++) {
    clock.now = n
    times.note('app', A)
  }
  assert.equal(await times.last('app', A), 999)
  await times.flush()
  await times.flush()
  assert.deepEqual(written, [[{ repository: 'app', digest: A, pulledAt: 999 }]])
  assert.equal(await times.last('app', A), 100)
})

it('what could not be written is written the next time, and is bounded', async () => {
  const { times, written, errors, state } = fake()
  state.broken = true
  for (let n = 0; n < PULL_TIMES_PENDING_MAX; n++) times.note(`app${n}`, A)
  await times.flush()
  assert.equal(errors.length, 1)
  state.broken = false
  await times.flush()
  assert.equal(written.flat().length, PULL_TIMES_PENDING_MAX / 2)
})

it('a GET and a HEAD by tag are pulls, a HEAD by digest is none, and a restart does not forget', async (t) => {
  let now = 1_000
  const harness = await startRegistry(t, { now: () => now })
  const { digest } = await pushImage(harness, 'app', 'v1')
  await harness.request(`/v2/app/manifests/${digest}`, { method: 'HEAD' })
  await harness.registry.stop()
  assert.equal(await harness.pulledAt('app', digest), undefined)
  await harness.registry.start()
  for (const [method, reference] of [
    ['HEAD', 'v1'],
    ['GET', 'v1'],
    ['GET', digest]
  ] as const) {
    now++
    await (await harness.request(`/v2/app/manifests/${reference}`, { method })).arrayBuffer()
    await harness.registry.stop()
    assert.equal(await harness.pulledAt('app', digest), now, `${method} ${reference}`)
    await harness.registry.start()
  }
})
