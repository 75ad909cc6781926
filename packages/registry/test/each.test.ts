import assert from 'node:assert/strict'
import { it } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { each } from '../src/gc/each.ts'

async function* numbers(count: number, onOver: () => void): AsyncGenerator<number, void, void> {
  try {
    for (let n = 0; n < count; n++) yield n
  } finally {
    onOver()
  }
}

it('works on a few at a time, and on all', async () => {
  let running = 0
  let most = 0
  const seen: number[] = []
  await each(
    numbers(50, () => undefined),
    4,
    async (n) => {
      most = Math.max(most, ++running)
      await setImmediate()
      seen.push(n)
      running--
    }
  )
  assert.equal(most, 4)
  assert.deepEqual(
    seen.sort((a, b) => a - b),
    Array.from({ length: 50 }, (_, n) => n)
  )
})

it('ends at the first failure, when what is under way has ended, and closes the list', async () => {
  let isClosed = false
  let running = 0
  const all = numbers(1000, () => {
    isClosed = true
  })
  const failing = each(all, 4, async (n) => {
    running++
    await setImmediate()
    running--
    if (n === 10) throw new Error('ten')
    assert.ok(n < 20, `${n} was begun after the failure`)
  })
  await assert.rejects(failing, /ten/)
  assert.equal(running, 0)
  assert.equal(isClosed, true)
})
