import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { FlushedRuns } from '../../src/proxy/flushed-runs.ts'

describe('a stream in runs', () => {
  it('loses nothing and ends, however it is cut', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.uint8Array({ minLength: 1, maxLength: 5 }), { maxLength: 20 }), async (pieces) => {
        const runs = new FlushedRuns(
          (async function* () {
            for (const piece of pieces) {
              await new Promise((resolve) => setImmediate(resolve))
              yield piece
            }
          })(),
          0
        )
        const got: Uint8Array[] = []
        while (!runs.over) for await (const piece of runs.run()) got.push(piece)
        assert.deepEqual(Buffer.concat(got), Buffer.concat(pieces))
      })
    )
  })

  it('ends a run when nothing new comes, and goes on where it was', async () => {
    const more = Promise.withResolvers<void>()
    const runs = new FlushedRuns(
      (async function* () {
        yield Buffer.of(1)
        await more.promise
        yield Buffer.of(2)
      })(),
      1
    )
    assert.equal((await Array.fromAsync(runs.run())).length, 1)
    assert.equal(runs.over, false)
    more.resolve()
    assert.deepEqual(await Array.fromAsync(runs.run()), [Buffer.of(2)])
    assert.equal(runs.over, true)
  })

  it('passes on that the stream broke', async () => {
    const runs = new FlushedRuns(
      // biome-ignore lint/correctness/useYield: it breaks before it has anything
      (async function* (): AsyncGenerator<Uint8Array> {
        throw new Error('broken')
      })()
    )
    await assert.rejects(Array.fromAsync(runs.run()), /broken/)
    assert.equal(runs.over, true)
  })
})
