import { type ArrivingBlob, StoreClosedError } from '@shoal/content'
import { type Digest, type DistributionRoute, OciError, parseDigest } from '@shoal/oci'
import type { Clock, Logger } from '@shoal/swarm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Holdings } from '../holdings.ts'
import type { Metadata } from '../metadata.ts'
import type { Policy } from '../policies.ts'
import { repositoryUnknown } from '../unknown.ts'
import { BlobFills, type BlobFillsInit } from './blob-fills.ts'
import { type BegunBlob, ProxiedBlobs, type ProxiedBlobsInit } from './proxied-blobs.ts'
import { sendUpstreamList, type UpstreamList, upstreamReferrers, upstreamTags } from './proxied-lists.ts'
import { type Freshness, ProxiedManifests, type ProxiedManifestsInit } from './proxied-manifests.ts'
import { localPrefix, type ProxiedName, proxiedName } from './proxied-name.ts'
import type { ProxyMetrics } from './proxy-metrics.ts'
import { type SharedParts, Sharings, type SharingsInit } from './shared-parts.ts'
import { Upstream, type UpstreamStatus } from './upstream.ts'
import type { UpstreamConfig } from './upstream-config.ts'
import { UpstreamHedge } from './upstream-hedge.ts'

/** RFC 9111, 5.5.1 of RFC 7234: what is sent may not be what the upstream has now. */
const STALE = '110 - "the upstream cannot be asked; this is what was known of it"'

/** What a proxy is made with. */
export interface ProxyCacheInit
  extends Omit<ProxiedManifestsInit, 'hedge' | 'holdings'>,
    Omit<ProxiedBlobsInit, 'fills' | 'holdings'>,
    Omit<BlobFillsInit, 'holdings'>,
    SharingsInit {
  readonly upstreams: readonly UpstreamConfig[]
  readonly holdings: Pick<Holdings, 'addBlob' | 'addManifest'>
  readonly store: ProxiedManifestsInit['store'] & BlobFillsInit['store'] & SharingsInit['store']
  readonly metadata: ProxiedManifestsInit['metadata'] & ProxiedBlobsInit['metadata'] & Pick<Metadata, 'hasRepository'>
  readonly leases: ProxiedBlobsInit['leases']
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: ProxyMetrics
}

/** A request that means an upstream's repository. */
export interface Proxied {
  readonly upstream: Upstream
  readonly name: ProxiedName
}

/** What of the cache garbage collection removes. */
export function retentionPolicies(upstreams: readonly UpstreamConfig[]): Policy[] {
  return upstreams.flatMap(({ host, keepPulledMs }) => {
    const prefix = localPrefix(host)
    return prefix === undefined || keepPulledMs === undefined
      ? []
      : [{ prefix: `${prefix}/`, keepPulledMs, deleteUntagged: true }]
  })
}

/** Other registries' images through this one: fetched once, kept, and served when the other registry is not there. */
export class ProxyCache {
  readonly #init: ProxyCacheInit
  readonly #upstreams: ReadonlyMap<string, Upstream>
  readonly #manifests: ProxiedManifests
  readonly #blobs: ProxiedBlobs
  readonly #fills: BlobFills
  readonly #sharings: Sharings
  readonly #hedge: UpstreamHedge

  constructor(init: ProxyCacheInit) {
    this.#init = init
    this.#upstreams = new Map(init.upstreams.map((config) => [config.host, new Upstream({ ...init, config })]))
    this.#hedge = new UpstreamHedge(init)
    this.#manifests = new ProxiedManifests({ ...init, hedge: this.#hedge })
    this.#fills = new BlobFills(init)
    this.#sharings = new Sharings(init)
    this.#blobs = new ProxiedBlobs({ ...init, fills: this.#fills })
  }

  get status(): UpstreamStatus[] {
    return [...this.#upstreams.values()].map((upstream) => upstream.status)
  }

  /** Blobs that are being fetched. */
  get fills(): number {
    return this.#fills.count
  }

  async start(): Promise<void> {
    await this.#fills.restore()
  }

  async close(): Promise<void> {
    this.#sharings.close()
    await this.#fills.close(new StoreClosedError())
    for (const upstream of this.#upstreams.values()) await upstream.close()
  }

  /**
   * Whether a request means the repository of an upstream.
   *
   * @param ns the registry that it names, if it does
   * @throws OciError `NAME_UNKNOWN` when the repository is one that may not be pulled through here
   */
  resolve(name: string, ns: string | undefined): Proxied | undefined {
    const found = proxiedName(name, ns, this.#upstreams.keys())
    const upstream = found === undefined ? undefined : this.#upstreams.get(found.host)
    if (found === undefined || upstream === undefined) return undefined
    if (!upstream.permits(found.repository)) throw repositoryUnknown(found.local)
    return { upstream, name: found }
  }

  /**
   * Look after a request for something of an upstream.
   *
   * @returns whether it is answered; if not, the repository `name.local` has what was asked for
   * @throws OciError `DENIED` for anything but a pull or a delete
   */
  async look(
    request: FastifyRequest,
    reply: FastifyReply,
    { name, upstream }: Proxied,
    route: DistributionRoute
  ): Promise<boolean> {
    const isRead = request.method === 'GET' || request.method === 'HEAD'
    const isDelete = request.method === 'DELETE'
    if (route.kind === 'uploads' || route.kind === 'upload' || !(isRead || isDelete)) {
      throw new OciError('DENIED', `${name.local} is a cache of ${upstream.host}: push to ${upstream.host} itself`)
    }
    if (isDelete) return false
    switch (route.kind) {
      case 'manifest':
        this.#warn(reply, upstream, await this.#manifests.have(upstream, name, route.reference))
        return false
      case 'blob':
        return await this.#blobs.look(request, reply, upstream, name, route.digest)
      case 'tags':
        return await this.#sendList(reply, upstream, await this.#init.metadata.hasRepository(name.local), async () => {
          return await upstreamTags(request, upstream, name)
        })
      case 'referrers': {
        const subject = parseDigest(route.digest)
        const isKnown = (await this.#init.metadata.manifest(name.local, subject)) !== undefined
        return await this.#sendList(reply, upstream, isKnown, async () => {
          return await upstreamReferrers(request, upstream, name, subject)
        })
      }
      case 'base':
        return false
    }
  }

  /** Have a blob here or on its way: see `ProxiedBlobs.begin`. */
  async begin({ name, upstream }: Proxied, digest: Digest): Promise<BegunBlob> {
    return await this.#blobs.begin(upstream, name, digest)
  }

  /** The parts of a blob that arrives, to be shared in the mesh: see `Sharings.share`. */
  share(blob: ArrivingBlob, asker: string | undefined): SharedParts {
    return this.#sharings.share(blob, asker)
  }

  /** How a blob that is whole by now is, or was a moment ago, shared in the mesh: see `LATE_SHARING_MS`. */
  lateSharing(digest: Digest): SharedParts | undefined {
    return this.#sharings.late(digest)
  }

  /** What was shared under this name and can still be had. */
  sharing(id: string): SharedParts | undefined {
    return this.#sharings.find(id)
  }

  /**
   * A list of what is cached is better than none, and than one for which one has to wait long.
   *
   * @param isKnown whether there is a list of what is cached
   * @returns whether it is answered; if not, what is cached is to be listed
   */
  async #sendList(
    reply: FastifyReply,
    upstream: Upstream,
    isKnown: boolean,
    ask: () => Promise<UpstreamList>
  ): Promise<boolean> {
    let list: UpstreamList | undefined
    try {
      if (!isKnown) list = await ask()
      else if (!this.#hedge.hangs(upstream)) list = await this.#hedge.answer(upstream, ask())
    } catch (error) {
      if (error instanceof OciError && error.status < 500 && error.status !== 429) throw error
      this.#init.logger.debug({ err: error, upstream: upstream.host }, 'an upstream gave no list')
    }
    if (list !== undefined) await sendUpstreamList(reply, list)
    else this.#warn(reply, upstream, 'stale')
    return list !== undefined
  }

  #warn(reply: FastifyReply, upstream: Upstream, freshness: Freshness): void {
    if (freshness === 'fresh') return
    this.#init.metrics.stale(upstream.host)
    reply.header('warning', STALE)
  }
}
