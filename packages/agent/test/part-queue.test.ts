import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import type { FillAnswer, Part } from '../src/fill-client.ts'
import { PARTS_AHEAD, PARTS_BEHIND_BYTES, PartQueue } from '../src/part-queue.ts'
import { ManualClock } from './manual-clock.ts'

const part = (number: number): Part => ({ digest: digestOf(Buffer.of(number)), size: number + 1 })
const answer = (parts: readonly Part[], over: boolean, sharing = 'one'): FillAnswer => ({
  size: 100,
  sharing,
  parts,
  over,
  alone: false
})

function queueOf(ask: (after: number) => Promise<FillAnswer | undefined>) {
  const begun: number[] = []
  const clock = new ManualClock()
  const { signal } = new AbortController()
  const begin = ({ size }: Part): void => void begun.push(size - 1)
  const queue = new PartQueue({ ask, sharing: 'one', alone: false, begin, clock, signal })
  return { queue, begun, clock }
}

async function digests(queue: PartQueue): Promise<Part[]> {
  return (await Array.fromAsync(queue.parts())).map(({ digest, size }) => ({ digest, size }))
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the parts of a blob', () => {
  it('come in their order, over as many answers as it takes', async () => {
    const all = [part(0), part(1), part(2)]
    const { queue } = queueOf(async (after) => answer(all.slice(after, after + 1), after >= 2))
    assert.deepEqual(await digests(queue), all)
  })

  it('are begun ahead of their reader, but not without end', async () => {
    const all = Array.from({ length: 3 * PARTS_AHEAD }, (_, number) => part(number))
    const { begun, queue } = queueOf(async (after) => answer(all.slice(after), true))
    await settled()
    assert.equal(begun.length, PARTS_AHEAD)
    const parts = queue.parts()
    await parts.next()
    await settled()
    assert.equal(begun.length, PARTS_AHEAD + 1)
    assert.equal((await Array.fromAsync(parts)).length, all.length - 1)
  })

  it('are asked for while the blob is read alone, and gone over to when others come', async () => {
    const large = [0, 1, 2].map((number) => ({ ...part(number), size: PARTS_BEHIND_BYTES }))
    const answers = [{ ...answer([], false), alone: true }, answer(large, false)]
    const next = Promise.withResolvers<void>()
    const begun: number[] = []
    const queue = new PartQueue({
      ask: async () => {
        if (answers.length === 1) await next.promise
        return answers.shift() ?? (await new Promise(() => undefined))
      },
      sharing: 'one',
      alone: true,
      begin: ({ at }) => begun.push(at),
      clock: new ManualClock(),
      signal: new AbortController().signal
    })
    await settled()
    assert.equal(queue.passes(1), true)
    next.resolve()
    await settled()
    // There are parts of 48 MiB: who is more than 16 MiB ahead of them reads on.
    assert.equal(queue.passes(4 * PARTS_BEHIND_BYTES + 1), true)
    assert.equal(queue.passes(4 * PARTS_BEHIND_BYTES), false)
    assert.deepEqual(begun, [0, PARTS_BEHIND_BYTES, 2 * PARTS_BEHIND_BYTES])
    queue.end()
  })

  it('that end before what is here already are passed over', async () => {
    const { queue } = queueOf(async () => answer([part(0), part(1), part(2)], true))
    await settled()
    assert.equal(queue.passes(4), false)
    assert.deepEqual(await digests(queue), [part(2)])
  })

  it('end where the registry shares something else', async () => {
    const { queue } = queueOf(async (after) => (after === 0 ? answer([part(0)], false) : answer([], false, 'other')))
    assert.deepEqual(await digests(queue), [part(0)])
  })

  it('are asked for again when the registry does not answer, for a while', async () => {
    let fails = 1
    const ask = async (): Promise<FillAnswer> => {
      if (fails-- > 0) throw new Error('no answer')
      return answer([part(0)], true)
    }
    const { clock, queue } = queueOf(ask)
    const all = digests(queue)
    await settled()
    clock.advance(500)
    assert.deepEqual(await all, [part(0)])
    fails = 1_000
    const again = queueOf(ask)
    const failing = Array.fromAsync(again.queue.parts())
    failing.catch(() => undefined)
    for (let seconds = 0; seconds < 35; seconds++) {
      again.clock.advance(1_000)
      await settled()
    }
    await assert.rejects(failing, /no answer/)
  })
})
