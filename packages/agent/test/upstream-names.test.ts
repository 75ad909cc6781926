import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { silentLogger } from '@shoal/swarm'
import { UPSTREAMS_EARLY_MS, UPSTREAMS_REFRESH_MS, type UpstreamName, UpstreamNames } from '../src/upstream-names.ts'
import { ManualClock } from './manual-clock.ts'

const HUB = { host: 'docker.io', prefix: 'docker.io' }
const PORT = { host: 'registry.example:5000', prefix: 'registry.example-5000' }

function namesOf(answers: (() => Promise<UpstreamName[]>)[]) {
  const clock = new ManualClock()
  let asked = 0
  const ask = (): Promise<UpstreamName[]> => answers[Math.min(asked++, answers.length - 1)]?.() ?? Promise.resolve([])
  return { names: new UpstreamNames({ ask, clock, logger: silentLogger }), clock, asked: () => asked }
}

const says =
  (...upstreams: UpstreamName[]) =>
  (): Promise<UpstreamName[]> =>
    Promise.resolve(upstreams)

describe('the upstreams of the registry', () => {
  it('are asked for when one is needed, and name repositories as the registry does', async () => {
    const { asked, names } = namesOf([says(HUB, PORT)])
    assert.equal(await names.local('library/app', 'docker.io'), 'docker.io/library/app')
    assert.equal(await names.local('app', 'registry.example:5000'), 'registry.example-5000/app')
    assert.equal(await names.local('app', 'quay.io'), undefined)
    assert.equal(asked(), 1)
    assert.ok(names.includes('docker.io/library/app'))
    assert.ok(!names.includes('docker.iox/app'))
  })

  it('are asked for again when one is not known, now and then, and while running', async () => {
    const { asked, clock, names } = namesOf([says(), says(HUB)])
    assert.equal(await names.local('app', 'docker.io'), undefined)
    assert.equal(await names.local('app', 'docker.io'), undefined)
    assert.equal(asked(), 1)
    clock.advance(UPSTREAMS_EARLY_MS)
    assert.equal(await names.local('app', 'docker.io'), 'docker.io/app')
    names.start()
    clock.advance(2 * UPSTREAMS_REFRESH_MS)
    assert.ok(asked() >= 3)
    names.stop()
    assert.equal(clock.waiting, 0)
  })

  it('stay what they were while the registry is away', async () => {
    const { clock, names } = namesOf([says(HUB), () => Promise.reject(new Error('away'))])
    assert.equal(await names.local('app', 'docker.io'), 'docker.io/app')
    clock.advance(UPSTREAMS_EARLY_MS)
    assert.equal(await names.local('app', 'quay.io'), undefined)
    assert.equal(await names.local('app', 'docker.io'), 'docker.io/app')
  })
})
