import type { FastifyInstance } from 'fastify'
import { sendJson } from '../json.ts'
import { OPENAPI_DOCUMENT } from './document.ts'

/** `GET /api/v1/openapi.json`, for anybody: it tells nothing of what is in the registry. */
export function addOpenApiRoute(app: FastifyInstance): void {
  app.get('/api/v1/openapi.json', async (_, reply) => await sendJson(reply, 'application/json', OPENAPI_DOCUMENT))
}
