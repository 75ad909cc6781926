import type { FastifyReply, FastifyRequest } from 'fastify'
import { type Access, REALM } from './access.ts'
import { sendProblem } from './problem.ts'

/** Whether the administrator asks. Whoever else does has got the answer when this resolves. */
export async function isAdmin(request: FastifyRequest, reply: FastifyReply, access: Access): Promise<boolean> {
  const denied = access.denyUnlessAdmin(request.headers.authorization)
  if (denied === undefined) return true
  if (denied.status === 401) reply.header('www-authenticate', `Basic realm="${REALM}"`)
  await sendProblem(reply, denied.status, denied.message)
  return false
}

/** A body that has to be a JSON object with no other keys than these. @returns what is wrong with it, where it is wrong */
export function parseObject(text: string, keys: readonly string[]): Record<string, unknown> | string {
  let body: unknown
  try {
    body = text.trim() === '' ? {} : JSON.parse(text)
  } catch {
    return 'the body is not JSON'
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return 'the body has to be a JSON object'
  const unknown = Object.keys(body).find((key) => !keys.includes(key))
  if (unknown !== undefined) return `there is no ${unknown.slice(0, 50)}; known are ${keys.join(', ')}`
  return { ...body }
}
