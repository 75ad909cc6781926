import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, it } from 'node:test'
import { type Digest, digestOf, type ManifestHead, OciError } from '@shoal/oci'
import { PROBE_INTERVAL_MS, RegistryBreaker, silentLogger } from '@shoal/swarm'
import { Registry } from 'prom-client'
import { createAgentMetrics } from '../src/agent-metrics.ts'
import { TagMemory } from '../src/tag-memory.ts'
import { TAG_HEDGE_MS, TAG_TTL_MS, Tags } from '../src/tags.ts'
import { ManualClock } from './manual-clock.ts'

const OLD = digestOf(Buffer.from('old'))
const NEW = digestOf(Buffer.from('new'))

/** A registry whose answers are given by hand. */
class SlowRegistry {
  readonly heads: PromiseWithResolvers<ManifestHead | undefined>[] = []
  readonly pings: PromiseWithResolvers<void>[] = []

  headManifest(): Promise<ManifestHead | undefined> {
    const head = Promise.withResolvers<ManifestHead | undefined>()
    this.heads.push(head)
    return head.promise
  }

  ping(): Promise<void> {
    const ping = Promise.withResolvers<void>()
    this.pings.push(ping)
    return ping.promise
  }

  say(digest: Digest): void {
    this.heads.shift()?.resolve({ digest, mediaType: '', size: 1 })
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('a tag', () => {
  let directory: string
  let memory: TagMemory
  let registry: SlowRegistry
  let clock: ManualClock
  let breaker: RegistryBreaker
  let tags: Tags
  let metrics: Registry

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'shoal-tags-'))
    memory = await TagMemory.open(directory)
    await memory.set('app', '1', { digest: OLD, seenAtMs: 0 })
    await memory.set('app', '2', { digest: OLD, seenAtMs: 0 })
    registry = new SlowRegistry()
    clock = new ManualClock()
    breaker = new RegistryBreaker({ client: registry, clock, logger: silentLogger })
    metrics = new Registry()
    const now = () => clock.now()
    const common = { clock, now, logger: silentLogger, metrics: createAgentMetrics(metrics) }
    tags = new Tags({ client: registry, breaker, memory, ...common })
  })
  afterEach(async () => {
    breaker.stop()
    await settled()
    await memory.close()
    await rm(directory, { recursive: true })
  })

  async function asked(count: number): Promise<void> {
    while (registry.heads.length < count) await settled()
  }

  it('is what the registry says, when it says so in time', async () => {
    const answer = tags.resolve('app', '1')
    await asked(1)
    clock.advance(TAG_HEDGE_MS - 1)
    registry.say(NEW)
    assert.deepEqual(await answer, { digest: NEW, stale: false })
    assert.equal(clock.waiting, 0)
  })

  it('is answered from memory when the registry is silent, and anew once it has spoken', async () => {
    const answer = tags.resolve('app', '1')
    await asked(1)
    clock.advance(TAG_HEDGE_MS)
    assert.deepEqual(await answer, { digest: OLD, stale: true })
    assert.equal((await metrics.getSingleMetric('shoal_stale_tags_total')?.get())?.values[0]?.value, 1)
    registry.say(NEW)
    let again = tags.resolve('app', '1')
    while (registry.heads.length === 0) {
      await settled()
      again = tags.resolve('app', '1')
    }
    assert.equal(breaker.down, false, 'a late answer is an answer')
    assert.deepEqual((await memory.get('app', '1'))?.digest, NEW)
    registry.say(NEW)
    assert.deepEqual(await again, { digest: NEW, stale: false })
  })

  it('does not wait for a registry that is known to be down, until a probe finds it again', async () => {
    const first = tags.resolve('app', '1')
    await asked(1)
    registry.heads.shift()?.reject(new Error('connection refused'))
    assert.deepEqual(await first, { digest: OLD, stale: true })
    // No timer runs out and nobody is asked.
    assert.deepEqual(await tags.resolve('app', '2'), { digest: OLD, stale: true })
    assert.equal(registry.heads.length, 0)

    clock.advance(PROBE_INTERVAL_MS)
    registry.pings.shift()?.reject(new Error('connection refused'))
    await settled()
    clock.advance(PROBE_INTERVAL_MS)
    assert.equal(registry.pings.length, 1, 'one probe at a time')
    registry.pings.shift()?.reject(new OciError('UNAUTHORIZED', 'who are you?'))
    await settled()
    assert.equal(breaker.down, false, 'a refusal is an answer')
    clock.advance(TAG_TTL_MS)
    assert.equal(registry.pings.length, 0, 'a registry that is up is not probed')
    const again = tags.resolve('app', '2')
    await asked(1)
    registry.say(NEW)
    assert.deepEqual(await again, { digest: NEW, stale: false })
  })

  it('that nobody remembers is asked for even then', async () => {
    breaker.trip()
    const answer = tags.resolve('app', 'unheard-of')
    await asked(1)
    registry.say(NEW)
    assert.deepEqual(await answer, { digest: NEW, stale: false })
    assert.equal(breaker.down, false)
  })

  it('that the registry does not know is forgotten', async () => {
    const answer = tags.resolve('app', '1')
    await asked(1)
    registry.heads.shift()?.resolve(undefined)
    assert.equal(await answer, undefined)
    assert.equal(await memory.get('app', '1'), undefined)
  })

  it('that the registry refuses to name is not guessed', async () => {
    const answer = tags.resolve('app', '1')
    await asked(1)
    registry.heads.shift()?.reject(new OciError('DENIED', 'not for you'))
    await assert.rejects(answer, { code: 'DENIED' })
    assert.equal(breaker.down, false)
  })
})
