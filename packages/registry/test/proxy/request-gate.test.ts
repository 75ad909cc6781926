import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { RequestGate } from '../../src/proxy/request-gate.ts'

describe('a gate', () => {
  it('lets so many through, in order, and refuses when too many wait', async () => {
    const gate = new RequestGate({ max: 1, queueMax: 2 })
    const order: number[] = []
    const leave = await gate.enter()
    const enter = async (number: number): Promise<() => void> => {
      const left = await gate.enter()
      order.push(number)
      return left
    }
    const second = enter(2)
    const third = enter(3)
    await assert.rejects(gate.enter(), { code: 'TOOMANYREQUESTS', status: 503 })
    leave()
    leave()
    ;(await second)()
    ;(await third)()
    assert.deepEqual([order, gate.running, gate.waiting], [[2, 3], 0, 0])
  })

  it('lets who is urgent through before all others', async () => {
    const gate = new RequestGate({ max: 1 })
    const order: string[] = []
    const leave = await gate.enter()
    const enter = async (name: string, urgent: boolean): Promise<void> => {
      const left = await gate.enter(undefined, { urgent })
      order.push(name)
      left()
    }
    const all = [enter('a blob', false), enter('a manifest', true), enter('a tag', true)]
    assert.equal(gate.waiting, 3)
    leave()
    await Promise.all(all)
    assert.deepEqual([order, gate.running], [['a manifest', 'a tag', 'a blob'], 0])
  })

  it('never has more inside than it may, whoever gives up', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 4 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
        async (max, givesUp) => {
          const gate = new RequestGate({ max })
          let inside = 0
          await Promise.allSettled(
            givesUp.map(async (isGone) => {
              const controller = new AbortController()
              const entering = gate.enter(controller.signal)
              if (isGone) queueMicrotask(() => controller.abort(new Error('gone')))
              const leave = await entering
              inside++
              assert.ok(inside <= max)
              await new Promise((resolve) => setImmediate(resolve))
              inside--
              leave()
            })
          )
          assert.deepEqual([gate.running, gate.waiting, inside], [0, 0, 0])
        }
      )
    )
  })
})
