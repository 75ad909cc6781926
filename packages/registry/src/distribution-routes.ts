import { type DistributionRoute, OciError, parseDistributionPath } from '@shoal/oci'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import type { Access, Permission } from './access.ts'
import type { BlobHandlers } from './blob-handlers.ts'
import { challenges } from './challenge.ts'
import { sendJson } from './json.ts'
import type { ManifestHandlers } from './manifest-handlers.ts'
import { checkNamespace } from './namespace.ts'
import type { Proxied, ProxyCache } from './proxy/proxy-cache.ts'
import type { ReadOnly } from './read-only/read-only.ts'
import type { ReferrerHandlers } from './referrer-handlers.ts'
import { queryValue } from './request.ts'
import type { TagHandlers } from './tag-handlers.ts'
import type { UploadHandlers } from './upload-handlers.ts'

/** What answers the distribution API. */
export interface DistributionRoutesInit {
  readonly access: Access
  /** Names by which clients know this registry. */
  readonly names: ReadonlySet<string>
  readonly manifests: ManifestHandlers
  readonly blobs: BlobHandlers
  readonly uploads: UploadHandlers
  readonly tags: TagHandlers
  readonly referrers: ReferrerHandlers
  readonly readOnly: Pick<ReadOnly, 'write'>
  /** Looks after the repositories of upstreams; undefined when there are none. */
  readonly proxy: Pick<ProxyCache, 'look' | 'resolve'> | undefined
}

type Handler = (request: FastifyRequest, reply: FastifyReply) => Promise<void>
type Handlers = Readonly<Partial<Record<string, Handler>>>

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']

/** Adds `/v2/`: the OCI distribution API. Repository names have slashes, so that the framework cannot route it. */
export function addDistributionRoutes(app: FastifyInstance, init: DistributionRoutesInit): void {
  const handler = async (request: FastifyRequest<{ Params: { '*'?: string } }>, reply: FastifyReply): Promise<void> => {
    // Docker looks for it in answers of any status.
    reply.header('docker-distribution-api-version', 'registry/2.0')
    const route = parseDistributionPath(`/v2/${request.params['*'] ?? ''}`)
    if (route === undefined) {
      throw new OciError('UNSUPPORTED', 'the distribution API has no such path', { status: 404 })
    }
    authorize(request, reply, route, init)
    const proxied = proxiedOf(request, reply, route, init)
    const known = proxied === undefined || route.kind === 'base' ? route : { ...route, name: proxied.name.local }
    if (proxied !== undefined && (await init.proxy?.look(request, reply, proxied, known)) === true) return
    const handlers = handlersOf(known, init)
    const handle = handlers[request.method]
    if (handle === undefined) {
      reply.header('allow', Object.keys(handlers).join(', '))
      throw new OciError('UNSUPPORTED', `${request.method} is not possible here`)
    }
    if (request.method === 'GET' || request.method === 'HEAD') return await handle(request, reply)
    await init.readOnly.write(async () => await handle(request, reply))
  }
  for (const url of ['/v2', '/v2/', '/v2/*']) app.route({ method: METHODS, url, handler })
}

function authorize(
  request: FastifyRequest,
  reply: FastifyReply,
  route: DistributionRoute,
  { access }: DistributionRoutesInit
): void {
  const { authorization } = request.headers
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  const isUpload = route.kind === 'uploads' || route.kind === 'upload'
  const permission: Permission = isRead && !isUpload ? 'pull' : 'push'
  const name = route.kind === 'base' ? undefined : route.name
  try {
    // Clients ask here whether they need credentials at all, and a push does.
    if (name === undefined && authorization === undefined) access.check(undefined, 'push')
    else access.check(authorization, permission)
  } catch (error) {
    reply.header('www-authenticate', challenges(request, access.anonymous, name))
    throw error
  }
}

/** The repository of an upstream that is meant, if it is one. */
function proxiedOf(
  request: FastifyRequest,
  reply: FastifyReply,
  route: DistributionRoute,
  { names, proxy }: DistributionRoutesInit
): Proxied | undefined {
  if (route.kind === 'base') return undefined
  const ns = queryValue(request, 'ns')
  const proxied = proxy?.resolve(route.name, ns)
  const isPull = ['GET', 'HEAD'].includes(request.method) && route.kind !== 'uploads' && route.kind !== 'upload'
  if (proxied === undefined) {
    if (isPull) checkNamespace(request, reply, route.name, names)
  } else if (ns !== undefined) reply.header('oci-namespace', ns)
  return proxied
}

/** What can be done with a path, by method. */
function handlersOf(route: DistributionRoute, init: DistributionRoutesInit): Handlers {
  const { blobs, manifests, referrers, tags, uploads } = init
  switch (route.kind) {
    case 'base':
      return readable(async (_, reply) => await sendJson(reply, 'application/json', {}))
    case 'manifest':
      return {
        ...readable(async (request, reply) => await manifests.send(request, reply, route.name, route.reference)),
        PUT: async (request, reply) => await manifests.put(request, reply, route.name, route.reference),
        DELETE: async (request, reply) => await manifests.delete(request, reply, route.name, route.reference)
      }
    case 'blob':
      return {
        ...readable(async (request, reply) => await blobs.send(request, reply, route.name, route.digest)),
        DELETE: async (request, reply) => await blobs.delete(request, reply, route.name, route.digest)
      }
    case 'uploads':
      return { POST: async (request, reply) => await uploads.begin(request, reply, route.name) }
    case 'upload':
      return {
        GET: async (_, reply) => await uploads.status(reply, route.name, route.id),
        PATCH: async (request, reply) => await uploads.append(request, reply, route.name, route.id),
        PUT: async (request, reply) => await uploads.finish(request, reply, route.name, route.id),
        DELETE: async (_, reply) => await uploads.cancel(reply, route.name, route.id)
      }
    case 'tags':
      return readable(async (request, reply) => await tags.list(request, reply, route.name))
    case 'referrers':
      return readable(async (request, reply) => await referrers.list(request, reply, route.name, route.digest))
  }
}

function readable(handler: Handler): Handlers {
  return { GET: handler, HEAD: handler }
}
