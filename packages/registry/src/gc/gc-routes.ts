import type { FastifyInstance } from 'fastify'
import type { Access } from '../access.ts'
import { isAdmin, parseObject } from '../admin-request.ts'
import { sendJson } from '../json.ts'
import { GRACE_MAX_MS } from '../leases.ts'
import { sendProblem } from '../problem.ts'
import type { ReadOnly } from '../read-only/read-only.ts'
import { readBody } from '../request.ts'
import type { Collector } from './collector.ts'
import type { CollectionOptions } from './state.ts'

/** What was used within this time is not collected. */
export const DEFAULT_GRACE_MS = 2 * 60 * 60_000
const GC_BODY_MAX_BYTES = 64 * 1024
const GC_PATH = '/api/v1/gc'
const KEYS = ['dryRun', 'untagged', 'graceSeconds']

/** What the routes of garbage collection need. */
export interface GcRoutesInit {
  readonly access: Access
  readonly collector: Pick<Collector, 'cancel' | 'isHeld' | 'start' | 'state'>
  readonly readOnly: Pick<ReadOnly, 'isOn'>
}

/**
 * For the administrator: `POST /api/v1/gc` begins a collection (202; 409 while there is one), `GET` shows the one under way
 * or the last one (404 when there never was one), `DELETE` ends it.
 */
export function addGcRoutes(app: FastifyInstance, { access, collector, readOnly }: GcRoutesInit): void {
  app.post(GC_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const options = parseOptions((await readBody(request, GC_BODY_MAX_BYTES)).toString('utf8'))
    if (typeof options === 'string') return await sendProblem(reply, 400, options)
    if (readOnly.isOn) return await sendProblem(reply, 409, 'the registry is read-only: collect when that is over')
    if (collector.isHeld) return await sendProblem(reply, 409, 'a backup is under way: collect when it is over')
    const state = collector.start(options)
    if (state === undefined) {
      return await sendProblem(reply, 409, 'a collection is under way: wait for its end, or cancel it with DELETE')
    }
    await sendJson(reply.code(202).header('location', GC_PATH), 'application/json', state)
  })
  app.get(GC_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    if (collector.state === undefined) return await sendProblem(reply, 404, 'garbage was never collected here')
    await sendJson(reply.header('cache-control', 'no-store'), 'application/json', collector.state)
  })
  app.delete(GC_PATH, async (request, reply) => {
    if (!(await isAdmin(request, reply, access))) return
    const state = await collector.cancel()
    if (state === undefined) return await sendProblem(reply, 404, 'no collection is under way')
    await sendJson(reply, 'application/json', state)
  })
}

/** @returns what is wrong with it, where it is wrong */
function parseOptions(text: string): CollectionOptions | string {
  const body = parseObject(text, KEYS)
  if (typeof body === 'string') return body
  const { dryRun = false, graceSeconds = DEFAULT_GRACE_MS / 1000, untagged = false } = body
  if (typeof dryRun !== 'boolean') return 'dryRun has to be true or false'
  if (typeof untagged !== 'boolean') return 'untagged has to be true or false'
  if (typeof graceSeconds !== 'number' || !(graceSeconds >= 0 && graceSeconds * 1000 <= GRACE_MAX_MS)) {
    return `graceSeconds has to be a number from 0 to ${GRACE_MAX_MS / 1000}`
  }
  return { dryRun, untagged, graceMs: graceSeconds * 1000 }
}
