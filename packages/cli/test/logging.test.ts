import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { LogFormat } from '../src/log-choices.ts'
import { createLogger } from '../src/logging.ts'

async function logged(format: LogFormat, level: 'debug' | 'info', error: Error): Promise<string> {
  let text = ''
  const write = (line: string): void => {
    text += line
  }
  const logger = await createLogger({ format, level, write, colour: false })
  logger.debug({}, 'a detail')
  logger.child({ part: 'mesh' }).warn({ error, peer: 'P' }, 'a link ended')
  return text
}

describe('the log', () => {
  const error = Object.assign(new Error('broken', { cause: new Error('reset') }), { code: 'LINK_BROKEN' })

  it('is one JSON object a line, with what an error says', async () => {
    const lines = (await logged('json', 'info', error)).split('\n')
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

  it('has more for those who debug', async () => {
    const text = await logged('json', 'debug', error)
    assert.match(text, /a detail/)
    assert.match(text, /"stack":"Error: broken/)
  })

  it('can be read by people, without colour where it is not wanted', async () => {
    const text = await logged('pretty', 'info', error)
    assert.match(text, /WARN: a link ended/)
    assert.match(text, /broken: reset/)
    assert.ok(!text.includes('\u001b'))
  })
})
