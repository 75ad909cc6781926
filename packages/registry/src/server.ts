import type { Logger } from '@shoal/swarm'
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { errorAnswer, errorBody } from './error-answer.ts'
import { sendJson } from './json.ts'
import type { RegistryMetrics } from './metrics.ts'
import { sendProblem } from './problem.ts'
import { drain } from './request.ts'

/** A connection over which nothing moves for so long is closed. */
export const CONNECTION_IDLE_MS = 120_000
/** What is read of a refused body before the connection is cut. */
export const REFUSED_BODY_BYTES = 64 * 1024 * 1024
/** When a client that was refused for lack of room may come back. */
const RETRY_AFTER_SECONDS = 5
/** Longest part of a path between two slashes, and longest query: room for a sha512 digest and then some. */
const PATH_PART_MAX = 512

/** What the server needs beside its routes. */
export interface ServerInit {
  readonly logger: Logger
  readonly metrics: RegistryMetrics
}

/** An HTTP server with our way of answering errors, and bodies left to whoever wants to read them. */
export function createServer({ logger, metrics }: ServerInit): FastifyInstance {
  const answer = async (error: unknown, request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    await sendError(error, request, reply, logger)
  }
  const app = Fastify({
    connectionTimeout: CONNECTION_IDLE_MS,
    // An upload takes as long as it takes; one over which nothing moves is ended by the line above.
    requestTimeout: 0,
    exposeHeadRoutes: false,
    routerOptions: { maxParamLength: PATH_PART_MAX },
    frameworkErrors: (error, request, reply) => void answer(error, request, reply)
  })
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, _body, done) => done(null))
  app.addHook('onRequest', async (request, reply) => {
    reply.raw.once('close', () => metrics.answered(request.method, reply.raw.statusCode))
  })
  app.setErrorHandler(answer)
  app.setNotFoundHandler(async (_, reply) => await sendProblem(reply, 404, 'there is nothing at this path'))
  return app
}

async function sendError(error: unknown, request: FastifyRequest, reply: FastifyReply, logger: Logger): Promise<void> {
  const answer = errorAnswer(error, request.id)
  const context = { err: error, request: request.id, method: request.method, url: request.url, status: answer.status }
  if (request.socket.destroyed || reply.raw.destroyed) {
    logger.debug(context, 'the client went away')
    reply.hijack()
    return
  }
  if (answer.internal) logger.error(context, 'a request failed')
  else logger.debug(context, 'a request was refused')
  drain(request, REFUSED_BODY_BYTES)
  if (answer.status === 429 || answer.status === 503) reply.header('retry-after', RETRY_AFTER_SECONDS)
  if (!request.url.startsWith('/v2')) return await sendProblem(reply, answer.status, answer.message)
  await sendJson(reply.code(answer.status), 'application/json', errorBody(error, answer))
}
