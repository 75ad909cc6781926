import { setTimeout } from 'node:timers/promises'
import { AdminApi } from '../admin-api.ts'
import { ConfigurationError } from '../errors.ts'
import { optional, toggle } from '../options/option.ts'
import { formatTable } from '../text-table.ts'
import { count } from '../values/count.ts'
import { anyText } from '../values/text.ts'
import { quote } from '../values/value-parser.ts'
import { ADMIN_OPTIONS, readPassword } from './admin-options.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'

const EVENTS_PATH = '/api/v1/events'
/** How often a registry is asked for what is new. */
const FOLLOW_MS = 1000
const DIGEST_SHOWN_CHARACTERS = 19
const MAX_SEQ = Number.MAX_SAFE_INTEGER

/** `shoal events`: shows what a running registry has kept of what happened, and has it sent again. */
export const eventsCommand = defineCommand({
  words: ['events'],
  summary:
    'show the events of a running registry ("list"), how its webhooks stand ("status"), or send events again ("replay")',
  details: 'Events are kept only where a webhook is configured that gets them.',
  argument: { placeholder: 'list|status|replay', give: 'list, status or replay' },
  options: {
    after: optional(count(0, MAX_SEQ), 'only events behind this number'),
    'up-to': optional(count(0, MAX_SEQ), 'replay: only events up to this number'),
    repository: optional(anyText('NAME'), 'only events of this repository'),
    action: optional(anyText('ACTION'), 'list: only such events, such as push'),
    webhook: optional(anyText('NAME'), 'replay: only to this webhook'),
    follow: toggle('list: go on with what happens'),
    ...ADMIN_OPTIONS,
    ...COMMON_OPTIONS
  },
  async run(values, argument, context) {
    const { action, after, follow, registry, repository, webhook } = values
    const { signal, stdout } = context
    const api = new AdminApi(registry, await readPassword(values, context))
    if (argument === 'replay') {
      const asked = defined({ webhook, after, upTo: values['up-to'], repository })
      const sent = field(await api.ask('POST', `${EVENTS_PATH}/replay`, signal, asked), 'events')
      stdout.write(`${String(sent)} events are sent again\n`)
      return 0
    }
    if (argument === 'status') {
      const webhooks = list(await api.ask('GET', `${EVENTS_PATH}?n=1`, signal), 'webhooks')
      stdout.write(`${formatWebhooks(webhooks).join('\n')}\n`)
      return 0
    }
    if (argument !== 'list') throw new ConfigurationError(quote(argument), 'give list, status or replay')
    let last = after ?? 0
    for (;;) {
      const query = new URLSearchParams(Object.entries(defined({ action, repository, last: String(last) })))
      const events = list(await api.ask('GET', `${EVENTS_PATH}?${query}`, signal), 'events')
      for (const event of events) stdout.write(`${formatEvent(event)}\n`)
      last = Number(field(events.at(-1), 'seq') ?? last)
      if (events.length > 0) continue
      if (!follow) return 0
      await setTimeout(FOLLOW_MS, undefined, { signal })
    }
  }
})

function formatEvent(event: unknown): string {
  const of = (name: string): string => String(field(event, name) ?? '')
  const tag = of('tag') === '' ? '' : `:${of('tag')}`
  const digest = of('digest') === '' ? '' : ` ${of('digest').slice(0, DIGEST_SHOWN_CHARACTERS)}`
  return `${of('seq')} ${of('at')} ${of('action')} ${of('kind')} ${of('repository')}${tag}${digest}`.trimEnd()
}

function formatWebhooks(webhooks: readonly unknown[]): string[] {
  if (webhooks.length === 0) return ['no webhooks are configured']
  const rows = webhooks.map((each) =>
    ['name', 'url', 'queued', 'oldestAgeSeconds', 'failing', 'lastError'].map((name) => String(field(each, name) ?? ''))
  )
  return formatTable(['WEBHOOK', 'URL', 'QUEUED', 'OLDEST (S)', 'FAILING', 'LAST ERROR'], rows, [
    'left',
    'left',
    'right',
    'right',
    'right',
    'left'
  ])
}

function defined<T>(values: Record<string, T | undefined>): Record<string, T> {
  const found: Record<string, T> = {}
  for (const [key, value] of Object.entries(values)) if (value !== undefined) found[key] = value
  return found
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}

function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name)
  return Array.isArray(found) ? found : []
}
