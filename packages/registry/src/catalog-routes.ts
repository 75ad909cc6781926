import type { FastifyInstance } from 'fastify'
import type { Access } from './access.ts'
import { challenges } from './challenge.ts'
import { sendJson } from './json.ts'
import { takePage } from './list-page.ts'
import type { Metadata } from './metadata.ts'
import { askedPage, linkNext } from './page.ts'

/** Repositories in one answer. */
export const CATALOG_PAGE_MAX = 1000

/** What the catalog needs. */
export interface CatalogRoutesInit {
  readonly access: Access
  readonly metadata: Pick<Metadata, 'repositories'>
}

/** `GET /v2/_catalog`: the names of all repositories. OCI has left it out of its specification; clients ask for it. */
export function addCatalogRoutes(app: FastifyInstance, { access, metadata }: CatalogRoutesInit): void {
  app.get('/v2/_catalog', async (request, reply) => {
    reply.header('docker-distribution-api-version', 'registry/2.0')
    try {
      access.check(request.headers.authorization, 'pull')
    } catch (error) {
      reply.header('www-authenticate', challenges(request, access.anonymous, undefined))
      throw error
    }
    const page = askedPage(request, CATALOG_PAGE_MAX)
    const { items, more } = await takePage(metadata.repositories(page.after), page)
    const last = items.at(-1)
    if (more && last !== undefined) linkNext(reply, '/v2/_catalog', { n: String(page.limit), last })
    await sendJson(reply, 'application/json', { repositories: items })
  })
}
