import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { describe, it } from 'node:test'
import { DRAIN_TIMEOUT_MS, listenForShutdown, ShutdownError, untilShutdown } from '../src/signals.ts'

describe('signals', () => {
  it('ask to end once, and end at once the second time', async () => {
    const source = new EventEmitter()
    const codes: number[] = []
    const { signal, release } = listenForShutdown(source, (code) => codes.push(code), ['SIGINT', 'SIGTERM'])
    assert.equal(signal.aborted, false)
    source.emit('SIGTERM')
    await untilShutdown(signal)
    assert.ok(signal.reason instanceof ShutdownError)
    assert.equal(signal.reason.exitCode, 143)
    assert.deepEqual(codes, [])
    source.emit('SIGINT')
    source.emit('SIGTERM')
    assert.deepEqual(codes, [130, 143])
    release()
    assert.deepEqual(source.eventNames(), [])
  })

  it('do not wait for ever', ({ mock }) => {
    mock.timers.enable({ apis: ['setTimeout'] })
    const source = new EventEmitter()
    const codes: number[] = []
    listenForShutdown(source, (code) => codes.push(code), ['SIGTERM'])
    source.emit('SIGTERM')
    mock.timers.tick(DRAIN_TIMEOUT_MS - 1)
    assert.deepEqual(codes, [])
    mock.timers.tick(1)
    assert.deepEqual(codes, [143])
  })
})
