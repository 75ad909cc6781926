import type { FastifyInstance } from 'fastify'
import type { Access } from '../access.ts'
import { isAdmin, parseObject } from '../admin-request.ts'
import { sendJson } from '../json.ts'
import { linkNext } from '../page.ts'
import { sendProblem } from '../problem.ts'
import { queryValue, readBody } from '../request.ts'
import type { RegistryEvent } from './event.ts'
import type { Events, Replay } from './events.ts'

/** Events in one answer. */
export const EVENTS_PAGE_MAX = 1000
/** Events looked at for one answer, so that a filter that lets nothing through ends. */
const EVENTS_LOOKED_AT_MAX = 20_000
const EVENTS_PATH = '/api/v1/events'
const REPLAY_BODY_MAX_BYTES = 64 * 1024
const REPLAY_KEYS = ['webhook', 'after', 'upTo', 'repository']

/** What the routes of events need. */
export interface EventRoutesInit {
  readonly access: Access
  readonly events: Pick<Events, 'list' | 'replay' | 'webhooks'>
}

/**
 * For the administrator: `GET /api/v1/events?n=&last=&repository=&action=` lists the kept events and says how the webhooks
 * stand, `POST /api/v1/events/replay` sends kept ones again.
 */
export function addEventRoutes(app: FastifyInstance, { access, events }: EventRoutesInit): void {
  app.get(EVENTS_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const [n, last] = [queryValue(request, 'n') ?? String(EVENTS_PAGE_MAX), queryValue(request, 'last') ?? '0']
    if (!/^\d{1,15}$/.test(n) || !/^\d{1,15}$/.test(last)) {
      return await sendProblem(reply, 400, 'n and last have to be whole numbers')
    }
    const limit = Math.min(Number(n), EVENTS_PAGE_MAX)
    const filter = { action: queryValue(request, 'action'), repository: queryValue(request, 'repository') }
    const page: object[] = []
    let seen = Number(last)
    let looked = 0
    let more = false
    for await (const event of events.list(Number(last))) {
      more = page.length >= limit || looked++ >= EVENTS_LOOKED_AT_MAX
      if (more) break
      seen = event.seq
      if (isAsked(event, filter)) page.push({ ...event, at: new Date(event.at).toISOString() })
    }
    if (more && limit > 0) {
      const asked = Object.entries(filter).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]]))
      linkNext(reply, EVENTS_PATH, { n: String(limit), last: String(seen), ...Object.fromEntries(asked) })
    }
    const answer = { events: page, webhooks: limit === 0 ? [] : events.webhooks }
    await sendJson(reply.header('cache-control', 'no-store'), 'application/json', answer)
  })
  app.post(`${EVENTS_PATH}/replay`, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const asked = parseReplay((await readBody(request, REPLAY_BODY_MAX_BYTES)).toString('utf8'))
    if (typeof asked === 'string') return await sendProblem(reply, 400, asked)
    const { webhook } = asked
    if (webhook !== undefined && !events.webhooks.some(({ name }) => name === webhook)) {
      return await sendProblem(reply, 404, 'there is no webhook of this name')
    }
    await sendJson(reply.code(202), 'application/json', { events: await events.replay(asked) })
  })
}

function isAsked(
  event: RegistryEvent,
  filter: { action?: string | undefined; repository?: string | undefined }
): boolean {
  const { action = event.action, repository = event.repository } = filter
  return action === event.action && repository === event.repository
}

function parseReplay(text: string): Replay | string {
  const body = parseObject(text, REPLAY_KEYS)
  if (typeof body === 'string') return body
  const { after, repository, upTo, webhook } = body
  if (!isPlace(after) || !isPlace(upTo)) return 'after and upTo have to be places of events, whole numbers'
  if (!isText(repository) || !isText(webhook)) return 'repository and webhook have to be texts'
  return { after, repository, upTo, webhook }
}

function isPlace(value: unknown): value is number | undefined {
  return value === undefined || (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0)
}

function isText(value: unknown): value is string | undefined {
  return value === undefined || typeof value === 'string'
}
