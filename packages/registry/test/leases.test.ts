import assert from 'node:assert/strict'
import { it } from 'node:test'
import { digestOf } from '@shoal/oci'
import { GRACE_MAX_MS, LEASE_GRANULARITY_MS, Leases } from '../src/leases.ts'
import { MemoryMetadata } from '../src/memory-metadata.ts'

const A = digestOf(Buffer.from('a'))

function made(): { leases: Leases; clock: { now: number }; restarted: () => Leases; writes: () => number } {
  const { leases: kept } = new MemoryMetadata()
  const clock = { now: 1_000_000 }
  let writes = 0
  const records = {
    get: kept.get.bind(kept),
    delete: kept.delete.bind(kept),
    before: kept.before.bind(kept),
    put: async (digests: readonly (typeof A)[], at: number) => {
      writes++
      await kept.put(digests, at)
    }
  }
  const open = (): Leases => new Leases({ records, now: () => clock.now, onError: assert.ifError })
  return { leases: open(), clock, restarted: open, writes: () => writes }
}

const yes = async (): Promise<boolean> => true

it('holds a digest while it is used and for the grace window', async () => {
  const { leases, clock } = made()
  await leases.holding([A], async () => {
    assert.equal(await leases.unlessHeld(A, 0, yes), false)
    clock.now += 100
  })
  clock.now += 59
  assert.equal(await leases.unlessHeld(A, 60, yes), false)
  clock.now += 1
  assert.equal(await leases.unlessHeld(A, 60, yes), true)
  assert.equal(await leases.unlessHeld(A, 0, yes), true)
})

it('is written down now and then, and holds after a restart, rather too long than too short', async () => {
  const { leases, clock, restarted, writes } = made()
  for (let n = 0; n < 100; n++) assert.equal(await leases.extend(A, true), true)
  assert.equal(writes(), 1)
  clock.now += LEASE_GRANULARITY_MS
  await leases.extend(A, true)
  assert.equal(writes(), 2)
  clock.now += LEASE_GRANULARITY_MS - 1
  await leases.extend(A, true)
  const again = restarted()
  clock.now += 59
  assert.equal(await again.unlessHeld(A, 60, yes), false)
  clock.now += 60
  assert.equal(await again.unlessHeld(A, 60, yes), true)
})

it('a use that begins during a removal waits for its end', async () => {
  const { leases } = made()
  const { promise, resolve } = Promise.withResolvers<void>()
  const begun = Promise.withResolvers<void>()
  const order: string[] = []
  const removing = leases.unlessHeld(A, 0, async () => {
    begun.resolve()
    await promise
    order.push('removed')
    return true
  })
  await begun.promise
  const holding = leases.holding([A], async () => order.push('used'))
  const extending = leases.extend(A, true)
  await new Promise((done) => setImmediate(done))
  assert.deepEqual(order, [])
  resolve()
  assert.equal(await removing, true)
  await holding
  assert.equal(await extending, false)
  assert.deepEqual(order, ['removed', 'used'])
})

it('reading does not wait for the lease to be written, and it holds all the same', async () => {
  const { leases: records } = new MemoryMetadata()
  const put = async (): Promise<void> => await new Promise(() => undefined)
  const leases = new Leases({
    records: { ...records, get: async () => undefined, put },
    now: () => 1000,
    onError: assert.ifError
  })
  assert.equal(await leases.extend(A, false), true)
  assert.equal(await leases.unlessHeld(A, 10, yes), false)
})

it('forgets what is too old to matter', async () => {
  const { leases, clock, restarted } = made()
  await leases.extend(A, true)
  await leases.expire()
  clock.now += GRACE_MAX_MS - 1
  assert.equal(await restarted().unlessHeld(A, GRACE_MAX_MS, yes), false)
  clock.now += LEASE_GRANULARITY_MS + 2
  await leases.expire()
  assert.equal(await restarted().unlessHeld(A, Number.POSITIVE_INFINITY, yes), true)
})

it('a disk that takes no writes does not end a lease', async () => {
  const { leases: records } = new MemoryMetadata()
  const errors: unknown[] = []
  const leases = new Leases({
    records: { ...records, get: async () => undefined, put: async () => await Promise.reject(new Error('full')) },
    now: () => 1000,
    onError: (error) => errors.push(error)
  })
  await leases.extend(A, true)
  assert.equal(errors.length, 1)
  assert.equal(await leases.unlessHeld(A, 10, yes), false)
})
