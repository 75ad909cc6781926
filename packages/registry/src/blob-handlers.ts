import { parseDigest } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ContentSender } from './content-sender.ts'
import type { ForeignProxy } from './foreign/foreign-proxy.ts'
import type { Metadata } from './metadata.ts'
import { blobUnknown } from './unknown.ts'

/** What the blob routes need. */
export interface BlobHandlersInit {
  readonly metadata: Pick<Metadata, 'hasBlob' | 'unlinkBlob'>
  readonly sender: ContentSender
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
    const { foreign, metadata, sender } = this.#init
    const digest = parseDigest(text)
    if (foreign !== undefined && !(await metadata.hasBlob(name, digest))) {
      if (await foreign.look(request, reply, name, digest)) return
    }
    const content = { digest, mediaType: 'application/octet-stream', ranges: true }
    const isHere = (await metadata.hasBlob(name, digest)) && (await sender.send(request, reply, content))
    if (!isHere) throw blobUnknown(name, digest)
  }

  /**
   * Take a blob out of a repository. Its bytes stay in the store: other repositories may have it.
   *
   * @throws OciError `DIGEST_INVALID`, `BLOB_UNKNOWN`
   */
  async delete(reply: FastifyReply, name: string, text: string): Promise<void> {
    const digest = parseDigest(text)
    if (!(await this.#init.metadata.unlinkBlob(name, digest))) throw blobUnknown(name, digest)
    await reply.code(202).send()
  }
}
