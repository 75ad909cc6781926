import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendJson } from './json.ts'
import type { Metadata } from './metadata.ts'
import { askedPage, linkNext } from './page.ts'
import { repositoryUnknown } from './unknown.ts'

/** Tags in one answer. */
export const TAGS_PAGE_MAX = 10_000

/** Lists the tags of a repository (OCI distribution, "Listing Tags"). */
export class TagHandlers {
  readonly #metadata: Pick<Metadata, 'hasRepository' | 'tags'>

  constructor(metadata: Pick<Metadata, 'hasRepository' | 'tags'>) {
    this.#metadata = metadata
  }

  /** @throws OciError `NAME_UNKNOWN` */
  async list(request: FastifyRequest, reply: FastifyReply, name: string): Promise<void> {
    const page = askedPage(request, TAGS_PAGE_MAX)
    if (!(await this.#metadata.hasRepository(name))) throw repositoryUnknown(name)
    // One more than asked for shows whether there are more.
    const found = page.limit === 0 ? [] : await this.#metadata.tags(name, { ...page, limit: page.limit + 1 })
    const tags = found.slice(0, page.limit)
    const last = tags.at(-1)
    if (found.length > tags.length && last !== undefined) {
      linkNext(reply, `/v2/${name}/tags/list`, { n: String(page.limit), last })
    }
    await sendJson(reply, 'application/json', { name, tags })
  }
}
