import { parseDigest } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ContentSender } from './content-sender.ts'
import type { EventSource } from './events/event-source.ts'
import type { ForeignProxy } from './foreign/foreign-proxy.ts'
import type { Holdings } from './holdings.ts'
import type { Leases } from './leases.ts'
import type { Metadata } from './metadata.ts'
import { blobUnknown } from './unknown.ts'

/** What the blob routes need. */
export interface BlobHandlersInit {
  readonly metadata: Pick<Metadata, 'hasBlob'>
  readonly holdings: Pick<Holdings, 'removeBlob'>
  readonly leases: Pick<Leases, 'extend'>
  readonly sender: ContentSender
  readonly events: Pick<EventSource, 'of' | 'pulled'>
  /** Fetches the foreign layers that are asked for; undefined where the operator does not want that. */
  readonly foreign?: Pick<ForeignProxy, 'look'> | undefined
}

/** Serves the blobs of a repository: those that were pushed to it or mounted there. */
export class BlobHandlers {
  readonly #init: BlobHandlersInit

  constructor(init: BlobHandlersInit) {
    this.#init = init
  }

  /**
   * GET and HEAD.
   *
   * @throws OciError `DIGEST_INVALID`, `BLOB_UNKNOWN`
   */
  async send(request: FastifyRequest, reply: FastifyReply, name: string, text: string): Promise<void> {
    const { events, foreign, leases, metadata, sender } = this.#init
    const digest = parseDigest(text)
    if (foreign !== undefined && !(await metadata.hasBlob(name, digest))) {
      if (await foreign.look(request, reply, name, digest)) return
    }
    const content = { digest, mediaType: 'application/octet-stream', ranges: true }
    let isLinked = await metadata.hasBlob(name, digest)
    // Whoever asks this way may not push what is here already, so that it has to stay until it is referred to.
    if (isLinked && request.method === 'HEAD' && !(await leases.extend(digest, true))) {
      isLinked = await metadata.hasBlob(name, digest)
    }
    if (!isLinked || !(await sender.send(request, reply, content))) throw blobUnknown(name, digest)
    events.pulled(request, { kind: 'blob', repository: name, digest, mediaType: content.mediaType })
  }

  /**
   * Take a blob out of a repository. Its bytes stay in the store: other repositories may have it.
   *
   * @throws OciError `DIGEST_INVALID`, `BLOB_UNKNOWN`
   */
  async delete(request: FastifyRequest, reply: FastifyReply, name: string, text: string): Promise<void> {
    const { events, holdings } = this.#init
    const digest = parseDigest(text)
    const told = events.of(request, 'delete', [{ kind: 'blob', repository: name, digest }])
    if (!(await holdings.removeBlob(name, digest, told))) throw blobUnknown(name, digest)
    await reply.code(202).send()
  }
}
