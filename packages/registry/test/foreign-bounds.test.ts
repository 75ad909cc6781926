import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type Digest, digestOf } from '@shoal/oci'
import { silentLogger } from '@shoal/swarm'
import {
  FOREIGN_FETCHES_MAX,
  FOREIGN_QUEUE_MAX,
  ForeignLayers,
  type ForeignSource
} from '../src/foreign/foreign-layers.ts'
import { startRegistry } from './harness.ts'

const layerOf = (i: number): Buffer => Buffer.from(`layer ${i}`)
const sourceOf = (i: number): ForeignSource => {
  const bytes = layerOf(i)
  return { digest: digestOf(bytes), size: bytes.length, urls: [`https://example.com/${i}`] }
}

it('fetches a few layers at a time, lets some wait, and refuses the rest', async (t) => {
  const { store } = await startRegistry(t)
  const gate = Promise.withResolvers<void>()
  let under = 0
  let most = 0
  const fetched: Digest[] = []
  const layers = new ForeignLayers({
    store,
    logger: silentLogger,
    now: () => 0,
    metrics: { fetched: () => undefined, failed: () => undefined },
    fetcher: {
      close: async () => undefined,
      async *read(url) {
        most = Math.max(most, ++under)
        await gate.promise
        const bytes = layerOf(Number(url.split('/').at(-1)))
        yield bytes
        fetched.push(digestOf(bytes))
        under--
      }
    }
  })
  t.after(async () => {
    gate.resolve()
    await layers.close()
  })
  const count = FOREIGN_FETCHES_MAX + FOREIGN_QUEUE_MAX
  const all = Array.from({ length: count }, (_, i) => layers.fetch(sourceOf(i)))
  while (under < FOREIGN_FETCHES_MAX) await setImmediate()
  await assert.rejects(layers.fetch(sourceOf(count)), { code: 'TOOMANYREQUESTS', status: 503 })
  // One that is under way already takes no place.
  all.push(layers.fetch(sourceOf(0)))
  gate.resolve()
  await Promise.all(all)
  assert.equal(most, FOREIGN_FETCHES_MAX)
  assert.equal(new Set(fetched).size, count)
  assert.equal(fetched.length, count)
  await layers.fetch(sourceOf(count))
})
