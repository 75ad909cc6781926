import { OciError } from '@shoal/oci'
import type { FastifyInstance } from 'fastify'
import { type Access, REALM } from './access.ts'
import { TOKEN_PATH } from './challenge.ts'
import { sendProblem } from './problem.ts'
import { TOKEN_SECONDS, type TokenIssuer } from './token.ts'

/** What the token route needs. */
export interface TokenRoutesInit {
  readonly access: Access
  readonly tokens: TokenIssuer
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * `GET /token`: a token for the caller that the `Authorization` header names, or for an anonymous one. What a token
 * opens is decided when it is used, so that the scope asked for does not matter here.
 */
export function addTokenRoutes(app: FastifyInstance, { access, now, tokens }: TokenRoutesInit): void {
  app.get(TOKEN_PATH, async (request, reply) => {
    try {
      const role = access.role(request.headers.authorization)
      const token = tokens.issue(role)
      const issued = new Date(now()).toISOString()
      const body = { token, access_token: token, expires_in: TOKEN_SECONDS, issued_at: issued }
      await reply.header('cache-control', 'no-store').send(body)
    } catch (error) {
      if (!(error instanceof OciError)) throw error
      reply.header('www-authenticate', `Basic realm="${REALM}"`)
      await sendProblem(reply, error.status, error.message)
    }
  })
  // Clients that would rather post a form take 405 for "use GET".
  app.post(TOKEN_PATH, async (_, reply) => await sendProblem(reply.header('allow', 'GET'), 405, 'use GET'))
}
