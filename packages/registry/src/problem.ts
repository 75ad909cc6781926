import { STATUS_CODES } from 'node:http'
import type { FastifyReply } from 'fastify'
import { sendJson } from './json.ts'

/** Answer with an error outside of the distribution API (RFC 9457). */
export async function sendProblem(reply: FastifyReply, status: number, detail: string): Promise<void> {
  const body = { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail }
  await sendJson(reply.code(status), 'application/problem+json', body)
}
