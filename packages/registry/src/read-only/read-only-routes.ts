import type { FastifyInstance } from 'fastify'
import type { Access } from '../access.ts'
import { isAdmin, parseObject } from '../admin-request.ts'
import type { Collector } from '../gc/collector.ts'
import { sendJson } from '../json.ts'
import { sendProblem } from '../problem.ts'
import { readBody } from '../request.ts'
import { REASON_MAX, type ReadOnly } from './read-only.ts'

const READ_ONLY_PATH = '/api/v1/read-only'
const READ_ONLY_BODY_MAX_BYTES = 64 * 1024

/** What the routes of read-only mode need. */
export interface ReadOnlyRoutesInit {
  readonly access: Access
  readonly readOnly: Pick<ReadOnly, 'set' | 'state'>
  readonly collector: Pick<Collector, 'restore' | 'stop'>
}

/**
 * For the administrator: `GET /api/v1/read-only` says whether the registry takes writes, `PUT` with
 * `{"readOnly": true, "reason": "…"}` changes it. A collection of garbage waits for the end of read-only mode.
 */
export function addReadOnlyRoutes(app: FastifyInstance, { access, collector, readOnly }: ReadOnlyRoutesInit): void {
  app.get(READ_ONLY_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    await sendJson(reply.header('cache-control', 'no-store'), 'application/json', readOnly.state)
  })
  app.put(READ_ONLY_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const asked = parseMode((await readBody(request, READ_ONLY_BODY_MAX_BYTES)).toString('utf8'))
    if (typeof asked === 'string') return await sendProblem(reply, 400, asked)
    if (readOnly.state.fixed) {
      return await sendProblem(reply, 409, 'the registry was started read-only: start it without --read-only')
    }
    const wasOn = readOnly.state.readOnly
    await readOnly.set(asked.readOnly ? asked.reason : undefined)
    if (asked.readOnly) await collector.stop()
    else if (wasOn) await collector.restore()
    await sendJson(reply, 'application/json', readOnly.state)
  })
}

function parseMode(text: string): { readOnly: boolean; reason: string } | string {
  const body = parseObject(text, ['readOnly', 'reason'])
  if (typeof body === 'string') return body
  const { readOnly, reason = '' } = body
  if (typeof readOnly !== 'boolean') return 'readOnly has to be true or false'
  if (typeof reason !== 'string' || reason.length > REASON_MAX) {
    return `reason has to be a text of at most ${REASON_MAX} characters`
  }
  return { readOnly, reason }
}
