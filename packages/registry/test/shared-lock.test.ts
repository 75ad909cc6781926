import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { SharedLock } from '../src/shared-lock.ts'

it('shared work runs together, other work alone, and each kind waits for the other in order', async () => {
  const lock = new SharedLock<string>()
  const log: string[] = []
  const gates = new Map<string, () => void>()
  const work = (name: string) => async (): Promise<void> => {
    log.push(name)
    const { promise, resolve } = Promise.withResolvers<void>()
    gates.set(name, resolve)
    await promise
  }
  const turn = async (): Promise<void> => await new Promise((resolve) => setImmediate(resolve))
  const all = [
    lock.share('a', work('push 1')),
    lock.share('a', work('push 2')),
    lock.run('a', work('delete')),
    lock.share('a', work('late push')),
    lock.share('b', work('elsewhere'))
  ]
  await turn()
  assert.deepEqual(log.splice(0).sort(), ['elsewhere', 'push 1', 'push 2'])
  gates.get('push 1')?.()
  await turn()
  assert.deepEqual(log, [], 'one that shares is still at work')
  gates.get('push 2')?.()
  await turn()
  assert.deepEqual(log.splice(0), ['delete'])
  gates.get('delete')?.()
  await turn()
  assert.deepEqual(log, ['late push'])
  for (const open of gates.values()) open()
  await Promise.all(all)
})

it('work that fails lets the next one go on', async () => {
  const lock = new SharedLock<string>()
  const fail = async (): Promise<never> => await Promise.reject(new Error('wrong'))
  const failed = [lock.share('a', fail), lock.run('a', fail), lock.share('a', fail)]
  assert.equal(await lock.run('a', async () => 'done'), 'done')
  for (const each of await Promise.allSettled(failed)) assert.equal(each.status, 'rejected')
})

it('never runs work that is not shared beside any other', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.record({ shared: fc.boolean(), steps: fc.nat(3) })), async (jobs) => {
      const lock = new SharedLock<string>()
      let sharing = 0
      let alone = 0
      const all = jobs.map(async ({ shared, steps }) => {
        const work = async (): Promise<void> => {
          if (shared) sharing++
          else alone++
          for (let step = 0; step < steps; step++) await Promise.resolve()
          assert.ok(alone === 0 || (alone === 1 && sharing === 0), `${alone} alone beside ${sharing}`)
          if (shared) sharing--
          else alone--
        }
        await (shared ? lock.share('a', work) : lock.run('a', work))
      })
      await Promise.all(all)
    })
  )
})
