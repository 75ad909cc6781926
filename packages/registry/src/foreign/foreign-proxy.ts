import type { Digest } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Holdings } from '../holdings.ts'
import type { Leases } from '../leases.ts'
import type { Seeder } from '../seeder.ts'
import { CONNECTION_IDLE_MS } from '../server.ts'
import { type ForeignFinderInit, findForeign } from './foreign-finder.ts'
import type { ForeignLayers } from './foreign-layers.ts'

/** What becomes of foreign layers that are asked for: nothing, or they are fetched from their URLs. */
export type ForeignPolicy = 'skip' | 'proxy'

/** What the proxy needs. */
export interface ForeignProxyInit extends ForeignFinderInit {
  readonly holdings: Pick<Holdings, 'addBlob'>
  readonly leases: Pick<Leases, 'holding'>
  readonly layers: Pick<ForeignLayers, 'close' | 'fetch'>
  readonly seeder: Seeder
}

/** Gives repositories the foreign layers that their manifests name, when somebody asks for them. */
export class ForeignProxy {
  readonly #init: ForeignProxyInit

  constructor(init: ForeignProxyInit) {
    this.#init = init
  }

  /**
   * Look after a request for a blob that the repository does not have. A HEAD is answered by what the manifest says; for
   * a GET the layer is fetched, and the repository has it from then on.
   *
   * @returns whether the request is answered
   * @throws OciError `BLOB_UNKNOWN` with status 502 when it cannot be fetched, `DENIED` when the repository's quota has no
   * room for it, and what `ForeignLayers` throws besides
   */
  async look(request: FastifyRequest, reply: FastifyReply, repository: string, digest: Digest): Promise<boolean> {
    const { holdings, layers, leases, seeder } = this.#init
    const source = await findForeign(this.#init, repository, digest)
    if (source === undefined) return false
    if (request.method === 'HEAD') {
      reply.header('content-type', 'application/octet-stream').header('docker-content-digest', digest)
      await reply.header('content-length', source.size).send()
      return true
    }
    // Nothing moves on the connection meanwhile.
    request.socket.setTimeout(0)
    try {
      await leases.holding([digest], async () => {
        await holdings.addBlob(repository, digest, source.size, async () => await layers.fetch(source))
      })
    } finally {
      request.socket.setTimeout(CONNECTION_IDLE_MS)
    }
    seeder.announce(digest)
    return false
  }

  async close(): Promise<void> {
    await this.#init.layers.close()
  }
}
