import assert from 'node:assert/strict'
import { it } from 'node:test'
import fc from 'fast-check'
import { DeliveryQueue } from '../src/events/delivery-queue.ts'
import type { Waiting } from '../src/events/event-log.ts'

const MANY = { events: 1_000_000, bytes: Number.MAX_SAFE_INTEGER }
const event = (seq: number, repository: string, bytes = 1): Waiting => ({ seq, repository, bytes, at: seq })

it('gives each repository its events in order, one at a time, whatever becomes of the others', () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant('add' as const), repository: fc.constantFrom('a', 'b', 'c') }),
    fc.record({ kind: fc.constant('take' as const) }),
    fc.record({
      kind: fc.constantFrom('taken' as const, 'refused' as const),
      repository: fc.constantFrom('a', 'b', 'c')
    })
  )
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new DeliveryQueue(MANY)
      const model = new Map<string, number[]>()
      const busy = new Map<string, number>()
      let seq = 0
      const take = (): boolean => {
        const next = queue.take()
        if (next === undefined) return false
        assert.ok(!busy.has(next.repository), 'one at a time')
        assert.equal(next.seq, model.get(next.repository)?.[0])
        busy.set(next.repository, next.seq)
        return true
      }
      const end = (repository: string, isTaken: boolean): void => {
        const sent = busy.get(repository)
        if (sent === undefined) return
        busy.delete(repository)
        if (isTaken) {
          queue.remove(sent)
          model.get(repository)?.shift()
        }
        queue.release(repository)
      }
      for (const each of steps) {
        if (each.kind === 'add') {
          queue.add(event(++seq, each.repository))
          model.set(each.repository, [...(model.get(each.repository) ?? []), seq])
        } else if (each.kind === 'take') take()
        else end(each.repository, each.kind === 'taken')
      }
      while (busy.size > 0 || take()) for (const repository of [...busy.keys()]) end(repository, true)
      assert.equal(queue.size, 0)
      assert.equal(queue.bytes, 0)
      assert.deepEqual([...model.values()].flat(), [])
    })
  )
})

it('drops the oldest when there are too many, or too large ones', () => {
  const queue = new DeliveryQueue({ events: 3, bytes: 10 })
  for (let seq = 1; seq <= 3; seq++) assert.deepEqual(queue.add(event(seq, 'a')), [])
  assert.deepEqual(
    queue.add(event(4, 'b')).map(({ seq }) => seq),
    [1]
  )
  assert.deepEqual(
    queue.add(event(5, 'b', 9)).map(({ seq }) => seq),
    [2, 3]
  )
  assert.equal(queue.oldest?.seq, 4)
  assert.equal(queue.take()?.seq, 4)
})

it('takes a hundred thousand events in and out in moderate time', () => {
  const queue = new DeliveryQueue(MANY)
  const begun = performance.now()
  for (let seq = 1; seq <= 100_000; seq++) queue.add(event(seq, 'a'))
  for (let next = queue.take(); next !== undefined; next = queue.take()) {
    queue.remove(next.seq)
    queue.release(next.repository)
  }
  assert.equal(queue.size, 0)
  assert.ok(performance.now() - begun < 5000, 'quadratic')
})
