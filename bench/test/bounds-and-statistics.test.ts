import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { fluidBoundSeconds, rollingBoundSeconds, splitIntoWaves } from '../fluid-bound.ts'
import { mean, percentile } from '../statistics.ts'

describe('the fluid bound', () => {
  const fastNodes = { seedUp: 200, nodeUp: 1000, nodeDown: 1000 }

  it('is the time to send the image once when the seed is the slowest', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, fastNodes), 1)
  })

  it('is the time to receive the image when the nodes are the slowest', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, { ...fastNodes, nodeDown: 100 }), 2)
  })

  it('is the time for all copies to leave when the nodes send nothing', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, { ...fastNodes, nodeUp: 0 }), 8)
  })

  it('lets nodes that have the image help the seed', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 1, fastNodes, 4), 0.2)
    assert.equal(rollingBoundSeconds(25_000_000, [2, 2], fastNodes), 1.2)
  })
})

describe('waves', () => {
  it('hold every node once, in order, and differ by one at most', () => {
    fc.assert(
      fc.property(fc.nat(60), fc.integer({ min: 1, max: 9 }), (count, waves) => {
        const nodes = Array.from({ length: count }, (_, index) => index)
        const parts = splitIntoWaves(nodes, waves)
        assert.deepEqual(parts.flat(), nodes)
        const sizes = parts.map((part) => part.length)
        if (count >= waves) assert.ok(Math.max(...sizes) - Math.min(...sizes) <= 1, `sizes are ${sizes}`)
        assert.ok(!sizes.includes(0))
      })
    )
  })
})

describe('percentiles', () => {
  it('are samples, by nearest rank', () => {
    const samples = [5, 1, 4, 2, 3]
    assert.equal(percentile(samples, 50), 3)
    assert.equal(percentile(samples, 99), 5)
    assert.equal(percentile(samples, 0), 1)
    assert.equal(percentile([7], 50), 7)
    assert.equal(mean(samples), 3)
  })

  it('need samples', () => {
    assert.throws(() => percentile([], 50), RangeError)
    assert.throws(() => mean([]), RangeError)
  })
})
