import { createHash } from 'node:crypto'
import type { Webhook } from '@shoal/registry'
import { parseDuration } from './duration.ts'
import { type EntryList, parseEntries } from './entries.ts'
import { jsonText } from './json-values.ts'
import { notA, quote, ValueError, type ValueParser } from './value-parser.ts'

// As the registry has them; its package is not loaded until it runs.
const ACTIONS = ['push', 'pull', 'mount', 'delete', 'proxy-fill', 'gc'] as const
const FORMATS = ['docker-v1', 'docker-v2', 'cloudevents'] as const
const MAX_WEBHOOKS = 50

/** A webhook whose secret is still in its file. */
export type WebhookConfig = Omit<Webhook, 'secret'> & { readonly secretFile?: string }

const READERS: EntryList<WebhookConfig>['readers'] = {
  name: (value) => {
    if (typeof value === 'string' && /^[a-z0-9][a-z0-9._-]{0,62}$/.test(value)) return { name: value }
    throw notA('a name', jsonText(value), 'letters, digits, dots and dashes, such as audit')
  },
  url: (value) => ({ url: parseWebhookUrl(jsonText(value)) }),
  format: (value) => {
    const format = FORMATS.find((each) => each === value)
    if (format === undefined) throw notA('a format', jsonText(value), FORMATS.join(', '))
    return { format }
  },
  actions: (value) => {
    const given = texts(value)
    const actions = ACTIONS.filter((each) => given.includes(each))
    if (actions.length === given.length && given.length > 0) return { actions }
    throw notA('a list of actions', jsonText(value), `some of ${ACTIONS.join(', ')}`)
  },
  repositories: (value) => {
    const repositories = texts(value)
    if (repositories.length > 0 && repositories.every((each) => /^[a-z0-9._/*-]{1,255}$/.test(each))) {
      return { repositories }
    }
    throw notA('a list of patterns of repositories', jsonText(value), 'one such as ["team/*"]; * is any text')
  },
  'secret-file': (value) => {
    if (typeof value === 'string' && value !== '') return { secretFile: value }
    throw notA('a file', jsonText(value), 'a path')
  },
  timeout: (value) => ({ timeoutMs: atLeast(100, jsonText(value)) }),
  'max-backoff': (value) => ({ backoffMaxMs: atLeast(100, jsonText(value)) })
}

const LIST: EntryList<WebhookConfig> = {
  readers: READERS,
  max: MAX_WEBHOOKS,
  example: '[{"name": "audit", "url": "https://…"}]',
  has: 'name, url and what is to be sent',
  complete(webhook, where) {
    const { name, url } = webhook
    if (name === undefined) throw new ValueError(`${where}.name: is missing; give one such as audit`)
    if (url === undefined) throw new ValueError(`${where}.url: is missing; give where events are sent`)
    return { ...webhook, name, url }
  }
}

/**
 * Reads where events are sent, a JSON list of objects: `[{"name": "audit", "url": "https://…", "actions": ["push"]}]`.
 *
 * @throws ValueError naming the entry and the key
 */
export function parseWebhooks(json: string): readonly WebhookConfig[] {
  const webhooks = parseEntries(json, LIST)
  for (const [index, { name }] of webhooks.entries()) {
    if (webhooks.findIndex((each) => each.name === name) !== index) {
      throw new ValueError(`[${index}].name: there is another webhook ${quote(name)}; give each a name of its own`)
    }
  }
  return webhooks
}

/** A webhook that is given as a URL alone. Its events are found again by it. */
export function webhookOf(url: string): WebhookConfig {
  return { name: `url-${createHash('sha256').update(url).digest('hex').slice(0, 12)}`, url }
}

/** @throws ValueError */
export function parseWebhookUrl(given: string): string {
  const url = URL.canParse(given) ? new URL(given) : undefined
  const sound =
    url !== undefined && ['http:', 'https:'].includes(url.protocol) && url.username === '' && url.password === ''
  if (!sound)
    throw notA('the URL of a webhook', given.replace(/\/\/[^/@]*@/, '//…@'), 'http:// or https://, no password')
  return url.href
}

function atLeast(min: number, given: string): number {
  const ms = parseDuration(given)
  if (ms < min) throw new ValueError(`${quote(given)} is too short; give at least ${min}ms`)
  return ms
}

function texts(value: unknown): string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  return list.filter((each) => typeof each === 'string')
}

export const WEBHOOKS: ValueParser<readonly WebhookConfig[]> = { placeholder: 'JSON', parse: parseWebhooks }
export const WEBHOOK_URL: ValueParser<string> = { placeholder: 'URL', parse: parseWebhookUrl }
