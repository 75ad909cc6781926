import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import {
  Deadlines,
  HEAD_DEADLINE_MS,
  HEAD_REGISTRY_DEADLINE_MS,
  RANGE_REGISTRY_DEADLINE_MS
} from '../src/blob/deadlines.ts'

describe('deadlines', () => {
  it('hurry the head of a stream only when its reader has waited, and turn to the registry last', () => {
    const deadlines = new Deadlines()
    assert.deepEqual(deadlines.urgent([3], 3, 100, 0), [])
    assert.deepEqual(deadlines.urgent([3], 3, 100, HEAD_DEADLINE_MS - 1), [])
    assert.deepEqual(deadlines.urgent([3], 3, 100, HEAD_DEADLINE_MS), [{ index: 3, fromRegistry: false }])
    assert.deepEqual(deadlines.urgent([3], 3, 100, HEAD_REGISTRY_DEADLINE_MS), [{ index: 3, fromRegistry: true }])
    assert.deepEqual(deadlines.urgent([4], 4, 100, HEAD_REGISTRY_DEADLINE_MS), [], 'the next chunk is waited for anew')
  })

  it('hurry a range at once, with what follows, within the blob', () => {
    const deadlines = new Deadlines()
    const indexes = (now: number) => deadlines.urgent([98], 0, 100, now).map(({ index }) => index)
    assert.deepEqual(indexes(0), [98, 99])
    assert.equal(deadlines.urgent([98], 0, 100, 0)[0]?.fromRegistry, false)
    assert.equal(deadlines.urgent([98], 0, 100, RANGE_REGISTRY_DEADLINE_MS)[0]?.fromRegistry, true)
  })
})
