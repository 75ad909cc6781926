import { type Descriptor, MEDIA_TYPES, parseDigest } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { sendJson } from './json.ts'
import type { Metadata } from './metadata.ts'
import { askedPage, linkNext } from './page.ts'
import { queryValue } from './request.ts'

/** Referrers in one answer. */
export const REFERRERS_PAGE_MAX = 1000
/** A page is not made longer than this, bytes: clients read it as they read a manifest. */
export const REFERRERS_PAGE_BYTES = 2 * 1024 * 1024

/** Lists the manifests that refer to another one (OCI distribution, "Listing Referrers"). */
export class ReferrerHandlers {
  readonly #metadata: Pick<Metadata, 'referrers'>

  constructor(metadata: Pick<Metadata, 'referrers'>) {
    this.#metadata = metadata
  }

  /** @throws OciError `DIGEST_INVALID` */
  async list(request: FastifyRequest, reply: FastifyReply, name: string, text: string): Promise<void> {
    const subject = parseDigest(text)
    const artifactType = queryValue(request, 'artifactType')
    const { after, limit } = askedPage(request, REFERRERS_PAGE_MAX)
    const manifests: Descriptor[] = []
    let bytes = 0
    for await (const descriptor of this.#metadata.referrers(name, subject, after)) {
      if (artifactType !== undefined && descriptor.artifactType !== artifactType) continue
      bytes += Buffer.byteLength(JSON.stringify(descriptor))
      const last = manifests.at(-1)
      if (manifests.length >= limit || (last !== undefined && bytes > REFERRERS_PAGE_BYTES)) {
        if (last !== undefined) linkNext(reply, `/v2/${name}/referrers/${subject}`, nextQuery(request, last))
        break
      }
      manifests.push(descriptor)
    }
    if (artifactType !== undefined) reply.header('oci-filters-applied', 'artifactType')
    const mediaType = MEDIA_TYPES.ociIndex
    await sendJson(reply, mediaType, { schemaVersion: 2, mediaType, manifests })
  }
}

function nextQuery(request: FastifyRequest, last: Descriptor): Record<string, string> {
  const n = queryValue(request, 'n')
  const artifactType = queryValue(request, 'artifactType')
  return {
    last: last.digest,
    ...(n === undefined ? {} : { n }),
    ...(artifactType === undefined ? {} : { artifactType })
  }
}
