import { encodeSegments } from '@shoal/content'
import { type Digest, isDigest, OciError } from '@shoal/oci'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Access, REALM } from './access.ts'
import type { BlobStore } from './blob-store.ts'
import { sendProblem } from './problem.ts'

/** Media type of a signed chunk map: each segment as u32 length, big endian, and its bytes. */
export const CHUNK_MAP_MEDIA_TYPE = 'application/vnd.shoal.chunk-map.v1'
/** Size of the blob, bytes: with an empty chunk map it is all that there is to know. */
export const BLOB_SIZE_HEADER = 'shoal-blob-size'

/** How the registry is reached in the mesh. */
export interface MeshAddress {
  readonly peerId: string
  /** Multiaddresses. */
  readonly addresses: readonly string[]
  /** The registries whose images are to be had here: `host[:port]`, and what their names begin with here. */
  readonly upstreams?: readonly { readonly host: string; readonly prefix: string }[]
}

/** What the mesh's routes need. */
export interface MeshRoutesInit {
  readonly store: Pick<BlobStore, 'chunkMap'>
  readonly access: Access
  readonly mesh: () => MeshAddress
}

/**
 * What an agent needs to know to join: `GET /api/v1/mesh`, which anybody may ask, and
 * `GET /api/v1/chunk-maps/<digest>`, for those who may pull.
 */
export function addMeshRoutes(app: FastifyInstance, init: MeshRoutesInit): void {
  app.get('/api/v1/mesh', async () => init.mesh())
  app.get<{ Params: { digest: string } }>('/api/v1/chunk-maps/:digest', async (request, reply) => {
    const { digest } = request.params
    if (!(await isAllowed(request, reply, init.access))) return
    if (!isDigest(digest))
      return await sendProblem(reply, 400, 'the path ends in a digest, like sha256:<64 hex digits>')
    await sendChunkMap(reply, digest, init.store)
  })
}

async function sendChunkMap(reply: FastifyReply, digest: Digest, store: MeshRoutesInit['store']): Promise<void> {
  const signed = await store.chunkMap(digest)
  if (signed === undefined) return await sendProblem(reply, 404, `no chunk map of ${digest} is known here`)
  await reply
    .header('content-type', CHUNK_MAP_MEDIA_TYPE)
    .header(BLOB_SIZE_HEADER, signed.map.size)
    .send(encodeSegments(signed.segments))
}

async function isAllowed(request: FastifyRequest, reply: FastifyReply, access: Access): Promise<boolean> {
  try {
    access.check(request.headers.authorization, 'pull')
    return true
  } catch (error) {
    if (!(error instanceof OciError)) throw error
    reply.header('www-authenticate', `Basic realm="${REALM}"`)
    await sendProblem(reply, error.status, error.message)
    return false
  }
}
