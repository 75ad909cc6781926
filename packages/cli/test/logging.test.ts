import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { createLogger, type LogFormat } from '../src/logging.ts'

function logged(format: LogFormat, level: 'debug' | 'info', error: Error): string {
  let text = ''
  const write = (line: string): void => {
    text += line
  }
  const logger = createLogger({ format, level, write, colour: false })
  logger.debug({}, 'a detail')
  logger.child({ part: 'mesh' }).warn({ error, peer: 'P' }, 'a link ended')
  return text
}

describe('the log', () => {
  const error = Object.assign(new Error('broken', { cause: new Error('reset') }), { code: 'LINK_BROKEN' })

  it('is one JSON object a line, with what an error says', () => {
    const lines = logged('json', 'info', error).split('\n')
    assert.deepEqual(lines.slice(1), [''])
    const { time, ...rest } = JSON.parse(lines[0] ?? '')
    assert.match(time, /^\d{4}-\d\d-\d\dT.*Z$/)
    assert.deepEqual(rest, {
      level: 40,
      part: 'mesh',
      peer: 'P',
      error: { name: 'Error', code: 'LINK_BROKEN', message: 'broken: reset' },
      msg: 'a link ended'
    })
  })

  it('has more for those who debug', () => {
    const text = logged('json', 'debug', error)
    assert.match(text, /a detail/)
    assert.match(text, /"stack":"Error: broken/)
  })

  it('can be read by people, without colour where it is not wanted', () => {
    const text = logged('pretty', 'info', error)
    assert.match(text, /WARN: a link ended/)
    assert.match(text, /broken: reset/)
    assert.ok(!text.includes('\u001b'))
  })
})
