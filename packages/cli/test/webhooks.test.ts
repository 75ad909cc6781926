import assert from 'node:assert/strict'
import { it } from 'node:test'
import { EVENT_ACTIONS } from '@shoal/registry'
import { webhooksFrom } from '../src/commands/webhook-options.ts'
import { ConfigurationError } from '../src/errors.ts'
import { parseWebhooks, parseWebhookUrl } from '../src/values/webhooks.ts'

it('reads webhooks', () => {
  const entry = {
    name: 'audit',
    url: 'https://audit.example/hook?key=1',
    format: 'cloudevents',
    actions: ['push', 'pull'],
    repositories: ['team/*'],
    timeout: '2s',
    'max-backoff': '1m',
    'secret-file': '/secret'
  }
  assert.deepEqual(parseWebhooks(JSON.stringify([entry])), [
    {
      name: 'audit',
      url: 'https://audit.example/hook?key=1',
      format: 'cloudevents',
      actions: ['push', 'pull'],
      repositories: ['team/*'],
      timeoutMs: 2000,
      backoffMaxMs: 60_000,
      secretFile: '/secret'
    }
  ])
  for (const action of EVENT_ACTIONS) parseWebhooks(JSON.stringify([{ name: 'a', url: 'http://a', actions: [action] }]))
})

it('says what is wrong with them', () => {
  const cases: [object, RegExp][] = [
    [{ url: 'http://a' }, /\[0\]\.name: is missing/],
    [{ name: 'a' }, /\[0\]\.url: is missing/],
    [{ name: 'a:b', url: 'http://a' }, /\[0\]\.name: /],
    [{ name: 'a', url: 'ftp://a' }, /\[0\]\.url: /],
    [{ name: 'a', url: 'http://a', action: ['push'] }, /did you mean actions/],
    [{ name: 'a', url: 'http://a', actions: ['shove'] }, /\[0\]\.actions: /],
    [{ name: 'a', url: 'http://a', repositories: ['A'] }, /\[0\]\.repositories: /],
    [{ name: 'a', url: 'http://a', timeout: '1ms' }, /\[0\]\.timeout: /]
  ]
  for (const [entry, message] of cases) assert.throws(() => parseWebhooks(JSON.stringify([entry])), message)
  const two = [
    { name: 'a', url: 'http://a' },
    { name: 'a', url: 'http://b' }
  ]
  assert.throws(() => parseWebhooks(JSON.stringify(two)), /another webhook "a"/)
  assert.throws(
    () => parseWebhookUrl('http://user:hidden@a/'),
    (error: Error) => !error.message.includes('hidden')
  )
})

it('reads secrets from files, once the same for all URLs', async () => {
  const values = {
    webhook: ['http://a/', 'http://b/', 'http://a/'],
    'webhook-secret-file': '/secret',
    webhooks: undefined
  }
  const webhooks = await webhooksFrom(values, { readFile: async () => 'quiet\n' })
  assert.deepEqual(
    webhooks.map(({ secret, url }) => [url, secret]),
    [
      ['http://a/', 'quiet'],
      ['http://b/', 'quiet']
    ]
  )
  assert.notEqual(webhooks[0]?.name, webhooks[1]?.name)
  await assert.rejects(webhooksFrom(values, { readFile: async () => '\n' }), ConfigurationError)
})
