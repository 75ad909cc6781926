import { isDigest, OciError } from '@shoal/oci'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { type Access, REALM } from '../access.ts'
import { errorAnswer } from '../error-answer.ts'
import { sendProblem } from '../problem.ts'
import { queryValue } from '../request.ts'
import type { ProxyCache } from './proxy-cache.ts'

/** For how long a request waits for parts that are not there yet. */
export const PARTS_WAIT_MS = 2_000

/** What the routes need. */
export interface FillRoutesInit {
  readonly access: Access
  readonly proxy: Pick<ProxyCache, 'begin' | 'resolve' | 'share' | 'sharing' | 'lateSharing'>
}

/**
 * What agents ask for a blob of an upstream: `GET /api/v1/fills/<digest>?repository=` has it fetched if it is not here, and
 * says how large it is and, while it arrives, under which name its parts are shared; with `?sharing=&after=` the parts. As long
 * as all who ask call themselves by the same `asker`, there are none.
 */
export function addFillRoutes(app: FastifyInstance, { access, proxy }: FillRoutesInit): void {
  app.get<{ Params: { digest: string } }>('/api/v1/fills/:digest', async (request, reply) => {
    try {
      access.check(request.headers.authorization, 'pull')
      await answer(request, reply, proxy, request.params.digest)
    } catch (error) {
      const { message, status } = errorAnswer(error, request.id)
      if (status === 401) reply.header('www-authenticate', `Basic realm="${REALM}"`)
      await sendProblem(reply, status, message)
    }
  })
}

async function answer(
  request: FastifyRequest,
  reply: FastifyReply,
  proxy: FillRoutesInit['proxy'],
  digest: string
): Promise<void> {
  const repository = queryValue(request, 'repository') ?? ''
  const after = Number(queryValue(request, 'after') ?? 0)
  if (!isDigest(digest)) throw new OciError('DIGEST_INVALID', 'the path ends in a digest, like sha256:<64 hex digits>')
  if (!Number.isSafeInteger(after) || after < 0) {
    throw new OciError('UNSUPPORTED', 'after has to be a number of parts', { status: 400 })
  }
  const id = queryValue(request, 'sharing')
  const known = id === undefined ? undefined : proxy.sharing(id)
  if (known?.digest === digest) {
    await reply.send({ size: known.size, sharing: known.id, ...(await known.from(after, PARTS_WAIT_MS)) })
    return
  }
  const proxied = proxy.resolve(repository, undefined)
  if (proxied === undefined) throw new OciError('NAME_UNKNOWN', 'that is no repository of an upstream')
  const { arriving, size } = await proxy.begin(proxied, digest)
  const asker = queryValue(request, 'asker')
  const sharing = arriving === undefined ? proxy.lateSharing(digest) : proxy.share(arriving, asker)
  const shared = sharing === undefined ? {} : { sharing: sharing.id, alone: sharing.alone }
  await reply.send({ size, ...shared, parts: [], over: false })
}
