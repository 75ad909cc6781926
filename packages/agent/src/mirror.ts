import { sendBlob } from '@shoal/content'
import {
  type ByteRange,
  type DistributionRoute,
  errorEnvelope,
  formatContentRange,
  isDigest,
  OciError,
  parseByteRange,
  parseDigest,
  parseDistributionPath,
  type RegistryClient
} from '@shoal/oci'
import type { Logger, RegistryBreaker, TransferMetrics } from '@shoal/swarm'
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import type { AgentMetrics } from './agent-metrics.ts'
import type { BlobFetcher } from './blob-fetcher.ts'
import type { FetchedManifest, ManifestFetcher } from './manifest-fetcher.ts'
import { type MirrorNames, resolveRepository } from './mirror-names.ts'
import type { ResolvedTag, Tags } from './tags.ts'
import type { UpstreamNames } from './upstream-names.ts'

/** A HEAD for a blob that is not here must be answered by the registry within this time. */
const HEAD_TIMEOUT_MS = 3_000
/** The first byte of a blob must be here by then; a runtime that waits longer gives up without trying its next host. */
const FIRST_BYTE_TIMEOUT_MS = 25_000
const KEEP_ALIVE_MS = 60_000
const STATUS_TOO_MANY_REQUESTS = 429

/** Nobody waits for the answer any more: no failure of ours. */
class ClientGoneError extends Error {
  readonly code = 'CLIENT_GONE'

  constructor() {
    super('the client went away')
    this.name = 'ClientGoneError'
  }
}

/** What a mirror is made of. */
export interface MirrorInit extends MirrorNames {
  readonly blobs: BlobFetcher
  readonly manifests: ManifestFetcher
  readonly tags: Tags
  readonly upstreams: Pick<UpstreamNames, 'includes' | 'local'>
  readonly client: RegistryClient
  readonly breaker: RegistryBreaker
  readonly metrics: AgentMetrics
  readonly transfer: TransferMetrics
  readonly logger: Logger
}

/** Makes the HTTP server that the node's container runtime talks to: the pull half of OCI Distribution. */
export function createMirror(init: MirrorInit): FastifyInstance {
  const app = fastify({ exposeHeadRoutes: false, keepAliveTimeout: KEEP_ALIVE_MS })
  app.addHook('onRequest', async (_request, reply) => {
    reply.header('docker-distribution-api-version', 'registry/2.0')
  })
  app.setErrorHandler((error, _request, reply) => sendError(init.logger, reply, error))
  app.setNotFoundHandler((_request, reply) => {
    sendError(init.logger, reply, new OciError('UNSUPPORTED', 'the mirror only serves pulls', { status: 404 }))
  })
  const handle = (request: FastifyRequest, reply: FastifyReply) => route(init, request, reply)
  app.route({ method: ['GET', 'HEAD'], url: '/v2', handler: handle })
  app.route({ method: ['GET', 'HEAD'], url: '/v2/*', handler: handle })
  return app
}

async function route(init: MirrorInit, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  const parsed = parsePath(request)
  if (parsed === undefined) throw new OciError('UNSUPPORTED', 'the mirror serves no such path', { status: 404 })
  if (parsed.kind === 'base') return reply.send({})
  const ns = namespaceOf(request)
  const own = resolveRepository(parsed.name, ns, init)
  const repository = own ?? (ns === undefined ? undefined : await init.upstreams.local(parsed.name, ns))
  if (repository === undefined) {
    throw new OciError('NAME_UNKNOWN', `this mirror does not serve ${ns ?? parsed.name}; go on to the next host`)
  }
  if (ns !== undefined) reply.header('oci-namespace', ns)
  if (parsed.kind === 'manifest') return sendManifest(init, request, reply, repository, parsed.reference)
  if (parsed.kind === 'blob') return sendBlobRequest(init, request, reply, repository, parsed.digest)
  throw new OciError('UNSUPPORTED', `the mirror does not serve ${parsed.kind}; ask the registry`, { status: 404 })
}

function parsePath(request: FastifyRequest): DistributionRoute | undefined {
  const [path = ''] = request.url.split('?')
  try {
    return parseDistributionPath(decodeURIComponent(path), { allowHost: true })
  } catch (cause) {
    if (cause instanceof URIError) throw new OciError('NAME_INVALID', 'the path is not encoded properly', { cause })
    throw cause
  }
}

function namespaceOf(request: FastifyRequest): string | undefined {
  const { ns } = request.query as { ns?: unknown }
  if (ns === undefined) return undefined
  if (typeof ns === 'string') return ns
  throw new OciError('NAME_INVALID', 'there is more than one ns in the query')
}

async function sendManifest(
  init: MirrorInit,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
  reference: string
): Promise<FastifyReply> {
  const resolved: ResolvedTag | undefined = isDigest(reference)
    ? { digest: parseDigest(reference), stale: false }
    : await init.tags.resolve(repository, reference)
  const manifest: FetchedManifest | undefined =
    resolved && (await init.manifests.fetch(repository, resolved.digest, { signal: abortedWith(reply) }))
  if (resolved === undefined || manifest === undefined) {
    throw new OciError('MANIFEST_UNKNOWN', `neither the registry nor a peer has ${repository} ${reference}`)
  }
  reply.header('content-type', manifest.mediaType)
  reply.header('docker-content-digest', manifest.digest)
  reply.header('content-length', manifest.bytes.length)
  if (resolved.stale) reply.header('warning', '110 - "the registry cannot be reached; this is the last known digest"')
  if (request.method === 'HEAD') return reply.send()
  init.manifests.served(repository, manifest)
  init.transfer.sent('client', 'http', manifest.bytes.length)
  return reply.send(manifest.bytes)
}

async function sendBlobRequest(
  init: MirrorInit,
  request: FastifyRequest,
  reply: FastifyReply,
  repository: string,
  digestText: string
): Promise<FastifyReply> {
  const digest = parseDigest(digestText)
  const startedAt = performance.now()
  if (request.method === 'HEAD') {
    const head = await headBlob(init, repository, digestText)
    if (head === undefined) throw new OciError('BLOB_UNKNOWN', `nobody has ${digest}`)
    reply.header('accept-ranges', 'bytes')
    reply.header('docker-content-digest', digest)
    reply.header('content-type', 'application/octet-stream')
    reply.header('content-length', head.size)
    return reply.send()
  }
  const signal = abortedWith(reply)
  const firstByteBy = AbortSignal.any([signal, AbortSignal.timeout(FIRST_BYTE_TIMEOUT_MS)])
  const blob = await init.blobs.open(digest, { repository, kind: 'blob' }, { signal }).catch((error: unknown) => {
    if (!signal.aborted) init.metrics.request('failed')
    throw error
  })
  if (blob === undefined) {
    init.metrics.request('missing')
    throw new OciError('BLOB_UNKNOWN', `neither the registry nor a peer has ${digest}`)
  }
  const { source } = blob
  try {
    const range = parseByteRange(request.headers.range, source.size)
    if (range === 'unsatisfiable') {
      reply.header('content-range', `bytes */${source.size}`)
      return reply.code(416).send()
    }
    init.metrics.request(blob.result)
    const wanted = range === 'whole' ? { start: 0, end: source.size } : range
    // The first byte before the headers: until then the runtime can still be sent to its next host.
    if (wanted.end > wanted.start) await source.available(wanted.start, { signal: firstByteBy })
    init.metrics.firstByte((performance.now() - startedAt) / 1000)
    writeHead(reply, digest, wanted, range === 'whole' ? undefined : formatContentRange(wanted, source.size))
    await sendBlob(source, wanted, reply.raw, {
      signal,
      onBytes: (bytes) => init.transfer.sent('client', 'http', bytes)
    })
    reply.raw.end()
    init.metrics.blob((performance.now() - startedAt) / 1000)
  } catch (error) {
    if (!reply.raw.headersSent) throw error
    // Cut short, so that the runtime sees that the blob is not whole and resumes.
    if (signal.aborted) init.logger.debug({ digest }, 'the client went away before the end of a blob')
    else init.logger.warn({ error, digest }, 'a blob could not be sent to its end')
    reply.raw.destroy()
  } finally {
    await source.close()
  }
  return reply
}

function writeHead(reply: FastifyReply, digest: string, range: ByteRange, contentRange: string | undefined): void {
  reply.header('accept-ranges', 'bytes')
  reply.header('content-type', 'application/octet-stream')
  reply.header('content-length', range.end - range.start)
  reply.header('docker-content-digest', digest)
  if (contentRange !== undefined) reply.header('content-range', contentRange)
  reply.hijack()
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (value !== undefined) reply.raw.setHeader(name, value)
  }
  reply.raw.writeHead(contentRange === undefined ? 200 : 206)
}

/** Size of a blob without fetching it, where that can be had. */
async function headBlob(
  init: MirrorInit,
  repository: string,
  digestText: string
): Promise<{ size: number } | undefined> {
  const digest = parseDigest(digestText)
  const here = await init.blobs.stat(digest)
  if (here !== undefined) return here
  if (!init.breaker.down) {
    try {
      if (init.upstreams.includes(repository)) return await init.client.headBlob(repository, digest)
      return await init.breaker.ask(HEAD_TIMEOUT_MS, (signal) => init.client.headBlob(repository, digest, { signal }))
    } catch (error) {
      init.logger.debug({ error, digest }, 'the registry cannot be asked for a blob’s size')
    }
  }
  const blob = await init.blobs.open(digest, { repository, kind: 'blob' })
  await blob?.source.close()
  return blob && { size: blob.source.size }
}

/** A signal that fires when the client goes away. */
function abortedWith(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) controller.abort(new ClientGoneError())
  })
  return controller.signal
}

function sendError(logger: Logger, reply: FastifyReply, error: unknown): FastifyReply {
  if (error instanceof OciError && error.status !== STATUS_TOO_MANY_REQUESTS) {
    return reply.code(error.status).send(errorEnvelope(error))
  }
  if (error instanceof ClientGoneError) {
    logger.debug({ error }, 'the client went away before it was answered')
    return reply.code(503).send()
  }
  // 503 sends the runtime to its next host; 429 would have it ask here again at once.
  logger.warn({ error }, 'a request failed')
  const message = error instanceof Error ? error.message : 'the mirror failed'
  return reply.code(503).send(errorEnvelope(new OciError('UNSUPPORTED', message, { status: 503 })))
}
