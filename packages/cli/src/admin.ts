import fastify, { type FastifyReply } from 'fastify'
import type { Registry } from 'prom-client'
import { describeError } from './errors.ts'
import type { HostPort } from './values/address.ts'

/** What the admin address shows. */
export interface AdminInit {
  readonly listen: HostPort
  readonly metrics: Registry
  /** Why the process is not ready to serve; empty when it is. */
  notReady(): readonly string[]
  /** The answer of `/api/v1/status`. */
  status(): Promise<object>
}

/** The HTTP server for operators: health, readiness, metrics, status. */
export interface AdminServer {
  start(): Promise<void>
  stop(): Promise<void>
  /** Where it listens. @throws Error before `start` */
  readonly address: HostPort
}

const PROBLEM_TYPE = 'application/problem+json'
const ADMIN_BODY_LIMIT_BYTES = 64 * 1024
const ADMIN_REQUEST_TIMEOUT_MS = 10_000

/**
 * Makes the admin server: `/healthz`, `/readyz` (503 with the reasons until ready), `/metrics`, `/api/v1/status`.
 * Everything else gets problem details (RFC 9457).
 */
export function createAdminServer(init: AdminInit): AdminServer {
  const app = fastify({
    bodyLimit: ADMIN_BODY_LIMIT_BYTES,
    requestTimeout: ADMIN_REQUEST_TIMEOUT_MS,
    forceCloseConnections: true,
    // A URL that cannot be decoded fails before there is a route.
    frameworkErrors: (error, _request, reply) => sendError(reply, error)
  })
  app.get('/healthz', async (_request, reply) => reply.type('text/plain; charset=utf-8').send('ok\n'))
  app.get('/readyz', async (_request, reply) => {
    const reasons = init.notReady()
    if (reasons.length === 0) return reply.type('text/plain; charset=utf-8').send('ready\n')
    return reply
      .code(503)
      .type(PROBLEM_TYPE)
      .send(JSON.stringify({ ...problem(503, 'Not ready', reasons.join('; ')), reasons }))
  })
  app.get('/metrics', async (_request, reply) =>
    reply.type(init.metrics.contentType).send(await init.metrics.metrics())
  )
  app.get('/api/v1/status', async (_request, reply) =>
    reply
      .header('Cache-Control', 'no-store')
      .type('application/json')
      .send(JSON.stringify(await init.status()))
  )
  app.setNotFoundHandler((request, reply) => {
    const detail = `there is no ${request.method} ${request.url.slice(0, 200)} here`
    return reply
      .code(404)
      .type(PROBLEM_TYPE)
      .send(JSON.stringify(problem(404, 'Not found', detail)))
  })
  app.setErrorHandler((error, _request, reply) => sendError(reply, error))

  let started: Promise<unknown> | undefined
  let address: HostPort | undefined
  return {
    async start() {
      started ??= app.listen({ host: init.listen.host, port: init.listen.port })
      await started
      const bound = app.addresses()[0]
      if (typeof bound === 'object') address = { host: bound.address, port: bound.port }
    },
    async stop() {
      await app.close()
    },
    get address() {
      if (address === undefined) throw new Error('the admin server has not started')
      return address
    }
  }
}

function sendError(reply: FastifyReply, error: unknown) {
  const asked = error instanceof Error && 'statusCode' in error ? Number(error.statusCode) : 500
  const status = asked >= 400 && asked < 500 ? asked : 500
  const detail = status === 500 ? 'the process could not answer; its log may say more' : describeError(error)
  return reply
    .code(status)
    .type(PROBLEM_TYPE)
    .send(JSON.stringify(problem(status, 'Request failed', detail)))
}

function problem(status: number, title: string, detail: string) {
  return { type: 'about:blank', title, status, detail }
}
