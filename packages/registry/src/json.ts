import type { FastifyReply } from 'fastify'

/**
 * Answer with JSON under exactly this media type. As text it would be given a `charset`, which these types do not have,
 * and which clients that compare types do not expect.
 */
export async function sendJson(reply: FastifyReply, mediaType: string, body: unknown): Promise<void> {
  await reply.header('content-type', mediaType).send(Buffer.from(JSON.stringify(body)))
}
