import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf, MEDIA_TYPES } from '@shoal/oci'
import { type Clock, silentLogger, systemClock } from '@shoal/swarm'
import { ProxiedManifests, type ProxiedManifestsInit } from '../../src/proxy/proxied-manifests.ts'
import { Upstream } from '../../src/proxy/upstream.ts'
import { HEDGE_MS, UpstreamHedge } from '../../src/proxy/upstream-hedge.ts'
import { FakeUpstream } from './fake-upstream.ts'
import { until } from './proxy-site.ts'

const digest = digestOf(Buffer.from('a manifest'))
const logger = silentLogger
const nothing = (): void => undefined
const metrics = { request: nothing, bytes: nothing, fill: nothing, verified: nothing, stale: nothing }
const never = (): never => assert.fail('nothing is to be kept')
const nameOf = (repository: string) => ({ host: 'docker.io', repository, local: `docker.io/${repository}` })

describe('a tag that is known', () => {
  it('is given out at once while its upstream keeps another question waiting, and asked for meanwhile', async (t) => {
    const server = await FakeUpstream.start(t)
    const held: (() => void)[] = []
    server.fault = (_request, response) => {
      held.push(() => response.writeHead(200, headers).end())
      return true
    }
    const headers = { 'content-type': MEDIA_TYPES.ociManifest, 'content-length': 10, 'docker-content-digest': digest }
    const config = { host: 'docker.io', url: server.url, tagTtlMs: 0 }
    const upstream = new Upstream({ config, clock: systemClock, logger, metrics })
    t.after(async () => await upstream.close())
    const timers: { readonly ms: number; readonly run: () => void }[] = []
    const clock: Clock = {
      ...systemClock,
      now: () => 0,
      after(ms, run) {
        const timer = { ms, run }
        timers.push(timer)
        return () => timers.splice(timers.indexOf(timer), 1)
      }
    }
    const init: ProxiedManifestsInit = {
      store: { ingest: never, stat: async () => ({ digest, size: 10 }) },
      metadata: {
        tag: async () => digest,
        manifest: async () => ({ digest, mediaType: MEDIA_TYPES.ociManifest, size: 10, pushedAt: 0 })
      },
      holdings: { addManifest: never },
      events: { emit: never },
      leases: { holding: never },
      seeder: { announce: never },
      hedge: new UpstreamHedge({ clock }),
      clock,
      logger,
      now: () => 0
    }
    const manifests = new ProxiedManifests(init)
    const first = manifests.have(upstream, nameOf('library/one'), '1')
    await until(() => held.length === 1)
    assert.deepEqual(
      timers.map(({ ms }) => ms),
      [HEDGE_MS]
    )
    timers[0]?.run()
    assert.equal(await first, 'stale')
    // No timer fires any more.
    assert.equal(await manifests.have(upstream, nameOf('library/one'), '1'), 'stale')
    assert.equal(await manifests.have(upstream, nameOf('library/two'), '1'), 'stale')
    await until(() => held.length === 2)
    for (const answer of held) answer()
    server.fault = (_request, response) => {
      response.writeHead(200, headers).end()
      return true
    }
    await until(async () => (await manifests.have(upstream, nameOf('library/three'), '1')) === 'fresh')
  })
})
