import assert from 'node:assert/strict'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { Counter, Registry } from 'prom-client'
import { type AdminServer, createAdminServer } from '../src/admin.ts'
import { loopbackUrl } from '../src/values/address.ts'

describe('the admin server', () => {
  let admin: AdminServer
  let reasons: string[]
  let fails: boolean
  const get = (path: string, init?: RequestInit): Promise<Response> => fetch(loopbackUrl(admin.address) + path, init)

  beforeEach(async () => {
    reasons = []
    fails = false
    const metrics = new Registry()
    new Counter({ name: 'shoal_test_total', help: 'test', registers: [metrics] }).inc(3)
    admin = createAdminServer({
      listen: { host: '127.0.0.1', port: 0 },
      metrics,
      notReady: () => reasons,
      status: async () => {
        if (fails) throw new Error('secret detail')
        return { role: 'agent' }
      }
    })
    await admin.start()
  })
  afterEach(() => admin.stop())

  it('is healthy as soon as it answers', async () => {
    const response = await get('/healthz')
    assert.equal(response.status, 200)
    assert.equal(await response.text(), 'ok\n')
  })

  it('is ready when there is no reason not to be', async () => {
    reasons = ['not admitted', 'starting']
    const before = await get('/readyz')
    assert.equal(before.status, 503)
    assert.match(before.headers.get('content-type') ?? '', /application\/problem\+json/)
    const problem: unknown = await before.json()
    assert.deepEqual(problem, {
      type: 'about:blank',
      title: 'Not ready',
      status: 503,
      detail: 'not admitted; starting',
      reasons
    })
    reasons = []
    assert.equal((await get('/readyz')).status, 200)
  })

  it('shows the metrics in the format of Prometheus', async () => {
    const response = await get('/metrics')
    assert.match(response.headers.get('content-type') ?? '', /text\/plain; version=0\.0\.4/)
    assert.match(await response.text(), /^shoal_test_total 3$/m)
  })

  it('shows the status', async () => {
    const response = await get('/api/v1/status')
    assert.deepEqual(await response.json(), { role: 'agent' })
    assert.equal(response.headers.get('cache-control'), 'no-store')
  })

  it('answers everything else with problem details, and never with internals', async () => {
    for (const [path, init] of [
      ['/nothing', {}],
      ['/metrics', { method: 'POST' }],
      ['/%ff', {}]
    ] as const) {
      const response = await get(path, init)
      assert.ok(response.status === 404 || response.status === 400, `${path}: ${response.status}`)
      assert.match(response.headers.get('content-type') ?? '', /application\/problem\+json/, path)
    }
    fails = true
    const response = await get('/api/v1/status')
    assert.equal(response.status, 500)
    assert.doesNotMatch(await response.text(), /secret detail/)
  })

  it('starts and stops as often as asked', async () => {
    await admin.start()
    await admin.stop()
    await admin.stop()
  })
})
