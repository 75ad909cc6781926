import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { fluidBoundSeconds } from '../fluid-bound.ts'
import { mean, percentile } from '../statistics.ts'

describe('the fluid bound', () => {
  const megabit = 1e6
  const fastNodes = { seedUp: 200 * megabit, nodeUp: 1000 * megabit, nodeDown: 1000 * megabit }

  it('is the time to send the blob once when the seed is the slowest', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, fastNodes), 1)
  })

  it('is the time to receive the blob when the nodes are the slowest', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, { ...fastNodes, nodeDown: 100 * megabit }), 2)
  })

  it('is the time for all copies to leave when the nodes send nothing', () => {
    assert.equal(fluidBoundSeconds(25_000_000, 8, { ...fastNodes, nodeUp: 0 }), 8)
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
