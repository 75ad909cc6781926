import { join } from 'node:path'
import { drainServer } from '@shoal/oci'
import { type Logger, systemClock, type TransferMetrics } from '@shoal/swarm'
import type { FastifyInstance } from 'fastify'
import type { Registry as MetricsRegistry } from 'prom-client'
import { Access, type Anonymous } from './access.ts'
import { addArtifactRoutes } from './artifacts/artifact-routes.ts'
import { ArtifactViews } from './artifacts/artifact-view.ts'
import { ManifestReader } from './artifacts/manifest-reader.ts'
import { adoptSnapshot } from './backup/adopt-snapshot.ts'
import { addBackupRoutes } from './backup/backup-routes.ts'
import { Backups } from './backup/backups.ts'
import { BlobHandlers } from './blob-handlers.ts'
import type { BlobStore } from './blob-store.ts'
import { addCatalogRoutes } from './catalog-routes.ts'
import { ContentSender } from './content-sender.ts'
import { addDistributionRoutes } from './distribution-routes.ts'
import { createEventMetrics, type EventMetrics } from './events/event-metrics.ts'
import { addEventRoutes } from './events/event-routes.ts'
import { EventSource } from './events/event-source.ts'
import { Events } from './events/events.ts'
import type { Webhook } from './events/webhook.ts'
import { WebhookClient } from './events/webhook-client.ts'
import { type ForeignAddresses, ForeignFetcher } from './foreign/foreign-fetcher.ts'
import { ForeignLayers } from './foreign/foreign-layers.ts'
import { createForeignMetrics, type ForeignMetrics } from './foreign/foreign-metrics.ts'
import { type ForeignPolicy, ForeignProxy } from './foreign/foreign-proxy.ts'
import { Collector } from './gc/collector.ts'
import { addGcRoutes } from './gc/gc-routes.ts'
import { Holdings } from './holdings.ts'
import { Leases } from './leases.ts'
import { LevelMetadata } from './level-metadata.ts'
import { ManifestHandlers, type SparseImages } from './manifest-handlers.ts'
import { addMeshRoutes, type MeshAddress } from './mesh-routes.ts'
import type { Metadata, SnapshotRecord } from './metadata.ts'
import { upgradeMetadata } from './metadata-upgrade.ts'
import { createRegistryMetrics, type RegistryMetrics } from './metrics.ts'
import { addOpenApiRoute } from './openapi/openapi-route.ts'
import { Policies, type Policy } from './policies.ts'
import { isFillId } from './proxy/blob-fill.ts'
import { addFillRoutes } from './proxy/fill-routes.ts'
import { upstreamNames } from './proxy/proxied-name.ts'
import { ProxyCache, retentionPolicies } from './proxy/proxy-cache.ts'
import { createProxyMetrics, type ProxyMetrics } from './proxy/proxy-metrics.ts'
import type { UpstreamStatus } from './proxy/upstream.ts'
import type { UpstreamConfig } from './proxy/upstream-config.ts'
import { PULL_TIME_GRANULARITY_MS, PullTimes } from './pull-times.ts'
import { Quotas } from './quotas.ts'
import { ReadOnly, type ReadOnlyState } from './read-only/read-only.ts'
import { addReadOnlyRoutes } from './read-only/read-only-routes.ts'
import { ReferrerHandlers } from './referrer-handlers.ts'
import type { Seeder } from './seeder.ts'
import { createServer } from './server.ts'
import { TagHandlers } from './tag-handlers.ts'
import { TokenIssuer } from './token.ts'
import { addTokenRoutes } from './token-routes.ts'
import { UploadHandlers } from './upload-handlers.ts'
import { Uploads } from './uploads.ts'

/** How often uploads are looked at that nobody goes on with. */
export const UPLOAD_SWEEP_MS = 60_000
/** Clients that copy parts of an image, and the conformance suite, push images without all their blobs. */
export const DEFAULT_SPARSE_IMAGES: SparseImages = 'accept'
export const DEFAULT_FOREIGN_LAYERS: ForeignPolicy = 'skip'
export const DEFAULT_FOREIGN_ADDRESSES: ForeignAddresses = 'public'

/** What a registry is made with. */
export interface RegistryInit {
  readonly store: BlobStore
  /** The metadata database is made under it. */
  readonly directory: string
  /** Port 0 takes any that is free. */
  readonly listen: { readonly host: string; readonly port: number }
  /** What a caller without credentials may do. */
  readonly anonymous: Anonymous
  readonly adminPassword: string
  /** What becomes of the manifest of an image whose blobs are not all here. @default 'accept' */
  readonly sparseImages?: SparseImages
  /** What becomes of layers that manifests only name by URL, when they are asked for. @default 'skip' */
  readonly foreignLayers?: ForeignPolicy
  /** Where such layers may be fetched from. @default 'public' */
  readonly foreignAddresses?: ForeignAddresses
  /**
   * `host:port` by which clients know this registry. A pull that names another one (`?ns=`) is refused; when empty,
   * the name does not matter. @default []
   */
  readonly names?: readonly string[]
  /** Registries whose images are to be had here. @default [] */
  readonly upstreams?: readonly UpstreamConfig[]
  readonly seeder: Seeder
  readonly mesh: () => MeshAddress
  /** What tags are kept, which may not move, how large repositories may become. @default [] */
  readonly policies?: readonly Policy[]
  /** Where events are sent. @default [] */
  readonly webhooks?: readonly Webhook[]
  /** Why this registry refuses every push and delete as long as it runs; undefined when the administrator says so. */
  readonly readOnly?: string | undefined
  readonly logger: Logger
  readonly metrics: MetricsRegistry
  readonly transfer: TransferMetrics
  /** Milliseconds since 1970. @default Date.now */
  readonly now?: () => number
}

/** The registry as its owner sees it. `start` and `stop` may be called in any order and more than once. */
export interface Registry {
  /** @throws MetadataOpenError, or the error of the operating system when it cannot listen. */
  start(): Promise<void>
  /** Answers what is under way, for a few seconds at most, and closes. */
  stop(): Promise<void>
  /** Where it listens; what was asked for while it does not. */
  readonly address: { readonly host: string; readonly port: number }
  status(): Promise<{ repositories: number; uploads: number }>
  /** Whether pushes and deletes are refused, and why; undefined while it does not run. */
  readonly readOnly: ReadOnlyState | undefined
  /** Make what is known here what a backup says: for one that runs read-only on a backup. It has to run. */
  adopt(records: AsyncIterable<SnapshotRecord>): Promise<void>
  /** How the upstreams are. */
  readonly upstreams: readonly UpstreamStatus[]
  ready(): boolean
}

/** Make a registry. It does nothing before it is started. */
export function createRegistry(init: RegistryInit): Registry {
  return new RegistryServer(init)
}

/** What the requests of a running registry share. */
interface Parts {
  readonly metadata: Metadata
  readonly policies: Policies
  readonly quotas: Quotas
  readonly holdings: Holdings
  readonly leases: Leases
  readonly collector: Collector
  readonly backups: Backups
  readonly pulls: PullTimes
  readonly uploads: Uploads
  readonly readOnly: ReadOnly
  readonly events: Events
  readonly reader: ManifestReader
  readonly sender: ContentSender
  readonly proxy: ProxyCache | undefined
}

/** What exists while the registry runs. */
interface Running extends Parts {
  readonly app: FastifyInstance
  /** Writes pull times down now and then. */
  readonly flush: NodeJS.Timeout
  readonly sweep: NodeJS.Timeout
}

class RegistryServer implements Registry {
  readonly #init: RegistryInit
  readonly #now: () => number
  readonly #metrics: RegistryMetrics
  readonly #foreignMetrics: ForeignMetrics
  readonly #eventMetrics: EventMetrics
  readonly #proxyMetrics: ProxyMetrics
  #running: Running | undefined
  #stopping = false
  /** Starts and stops take place one after the other. */
  #last: Promise<void> = Promise.resolve()

  constructor(init: RegistryInit) {
    this.#init = init
    this.#now = init.now ?? Date.now
    this.#metrics = createRegistryMetrics(init.metrics, {
      uploads: () => this.#running?.uploads.count ?? 0,
      quotas: () => this.#running?.quotas.usage ?? [],
      readOnly: () => this.#running?.readOnly.isOn ?? false
    })
    this.#eventMetrics = createEventMetrics(init.metrics, () => this.#running?.events.webhooks ?? [])
    this.#foreignMetrics = createForeignMetrics(init.metrics, init.transfer)
    this.#proxyMetrics = createProxyMetrics(init.metrics, init.transfer, {
      upstreams: () => this.upstreams,
      fills: () => this.#running?.proxy?.fills ?? 0
    })
  }

  get address(): { host: string; port: number } {
    const bound = this.#running?.app.server.address()
    if (typeof bound === 'object' && bound !== null) return { host: bound.address, port: bound.port }
    const { host, port } = this.#init.listen
    return { host, port }
  }

  get readOnly(): ReadOnlyState | undefined {
    return this.#running?.readOnly.state
  }

  async adopt(records: AsyncIterable<SnapshotRecord>): Promise<void> {
    await this.#next(async () => {
      if (this.#running !== undefined) await adoptSnapshot(this.#running.metadata, records)
    })
  }

  ready(): boolean {
    return this.#running !== undefined && !this.#stopping
  }

  get upstreams(): readonly UpstreamStatus[] {
    return this.#running?.proxy?.status ?? []
  }

  async status(): Promise<{ repositories: number; uploads: number }> {
    const repositories = (await this.#running?.metadata.countRepositories()) ?? 0
    return { repositories, uploads: this.#running?.uploads.count ?? 0 }
  }

  async start(): Promise<void> {
    await this.#next(async () => {
      this.#running ??= await this.#open()
    })
  }

  async stop(): Promise<void> {
    await this.#next(async () => {
      const running = this.#running
      if (running === undefined) return
      this.#stopping = true
      try {
        await this.#close(running)
      } finally {
        this.#running = undefined
        this.#stopping = false
      }
    })
  }

  async #next(step: () => Promise<void>): Promise<void> {
    const result = this.#last.then(step)
    this.#last = result.catch(() => undefined)
    await result
  }

  async #open(): Promise<Running> {
    const { directory, listen, logger, store } = this.#init
    const metadata = await LevelMetadata.open(join(directory, 'metadata'))
    const parts = this.#parts(metadata)
    const { collector, events, proxy, pulls, quotas, readOnly, uploads } = parts
    const app = createServer({ logger, metrics: this.#metrics })
    try {
      await upgradeMetadata(metadata, store)
      await readOnly.restore()
      await uploads.restore()
      await proxy?.start()
      await quotas.count()
      await events.start()
      this.#addRoutes(app, parts)
      await app.listen({ ...listen })
      // What was under way goes on when writes are taken again.
      if (!readOnly.isOn) await collector.restore()
    } catch (error) {
      await app.close()
      await events.stop()
      await uploads.close()
      await metadata.close()
      throw error
    }
    const sweep = setInterval(() => void this.#sweep(parts), UPLOAD_SWEEP_MS).unref()
    const flush = setInterval(() => void pulls.flush(), PULL_TIME_GRANULARITY_MS).unref()
    return { ...parts, app, flush, sweep }
  }

  #parts(metadata: LevelMetadata): Parts {
    const { logger, store } = this.#init
    const now = this.#now
    const warn = (message: string) => (err: unknown) => logger.warn({ err }, message)
    const policies = new Policies([...(this.#init.policies ?? []), ...retentionPolicies(this.#init.upstreams ?? [])])
    const quotas = new Quotas({ metadata, policies })
    const holdings = new Holdings({ metadata, quotas })
    const leases = new Leases({ records: metadata.leases, now, onError: warn('a lease could not be written') })
    const pulls = new PullTimes({ metadata, now, onError: warn('pull times could not be written') })
    const uploads = new Uploads({
      store,
      records: metadata.uploads,
      now,
      isForeign: isFillId,
      onError: warn('the record of an upload that is over could not be removed')
    })
    const metrics = this.#metrics
    const events = this.#events(metadata)
    const readOnly = new ReadOnly({ notes: metadata.notes, fixedReason: this.#init.readOnly, now })
    const collector = new Collector({
      store,
      metadata,
      holdings,
      leases,
      policies,
      pulls,
      now,
      logger,
      metrics,
      events,
      mayRun: () => !readOnly.isOn
    })
    const backups = new Backups({ metadata, collector, clock: systemClock })
    const reader = new ManifestReader(store)
    const sender = new ContentSender({ store, transfer: this.#init.transfer, logger })
    const proxy = this.#proxy({ metadata, holdings, leases, reader, sender, events })
    const held = { metadata, policies, quotas, holdings, leases, pulls, uploads, collector, backups }
    return { ...held, readOnly, events, reader, sender, proxy }
  }

  #events({ eventLog }: LevelMetadata): Events {
    const { logger, mesh, webhooks = [] } = this.#init
    const client = new WebhookClient()
    const origin = () => ({ addr: hostPort(this.address), instanceId: mesh().peerId })
    const common = { clock: systemClock, now: this.#now, random: Math.random, logger, metrics: this.#eventMetrics }
    return new Events({ ...common, log: eventLog, webhooks, client, origin })
  }

  #proxy(
    parts: Pick<Parts, 'events' | 'holdings' | 'leases' | 'metadata' | 'reader' | 'sender'>
  ): ProxyCache | undefined {
    const { logger, seeder, store, upstreams = [] } = this.#init
    if (upstreams.length === 0) return undefined
    const common = { store, seeder, logger, clock: systemClock, now: this.#now, metrics: this.#proxyMetrics }
    return new ProxyCache({ ...parts, ...common, upstreams })
  }

  #addRoutes(app: FastifyInstance, parts: Parts): void {
    const { adminPassword, anonymous, mesh, names = [], seeder, store } = this.#init
    const { backups, collector, events, metadata, proxy, pulls, reader, readOnly, sender } = parts
    const { sparseImages = DEFAULT_SPARSE_IMAGES } = this.#init
    const foreign = this.#foreignProxy(parts, reader)
    app.addHook('preClose', async () => await foreign?.close())
    app.addHook('preClose', async () => await proxy?.close())
    const now = this.#now
    const tokens = new TokenIssuer(now)
    const access = new Access({ anonymous, adminPassword, tokens })
    const shared = { ...parts, store, seeder, now, events: new EventSource(events, access) }
    addDistributionRoutes(app, {
      access,
      names: new Set(names),
      readOnly,
      proxy,
      manifests: new ManifestHandlers({ ...shared, sparseImages }),
      blobs: new BlobHandlers({ ...shared, foreign }),
      uploads: new UploadHandlers(shared),
      tags: new TagHandlers(metadata),
      referrers: new ReferrerHandlers(metadata)
    })
    addCatalogRoutes(app, { access, metadata })
    addTokenRoutes(app, { access, tokens, now })
    const upstreams = upstreamNames(this.#init.upstreams ?? [])
    addMeshRoutes(app, { store, access, mesh: () => (upstreams.length === 0 ? mesh() : { ...mesh(), upstreams }) })
    if (proxy !== undefined) addFillRoutes(app, { access, proxy })
    addGcRoutes(app, { access, collector, readOnly })
    addBackupRoutes(app, { access, backups, sender, mesh, now })
    addEventRoutes(app, { access, events })
    addReadOnlyRoutes(app, { access, collector, readOnly })
    const views = new ArtifactViews({ metadata, reader, pulls })
    addArtifactRoutes(app, { access, metadata, views })
    addOpenApiRoute(app)
  }

  #foreignProxy(parts: Parts, reader: ManifestReader): ForeignProxy | undefined {
    const { foreignAddresses, foreignLayers = DEFAULT_FOREIGN_LAYERS, logger, seeder, store } = this.#init
    if (foreignLayers === 'skip') return undefined
    const fetcher = new ForeignFetcher({ addresses: foreignAddresses ?? DEFAULT_FOREIGN_ADDRESSES })
    const layers = new ForeignLayers({ store, fetcher, logger, metrics: this.#foreignMetrics, now: this.#now })
    return new ForeignProxy({ ...parts, reader, layers, seeder })
  }

  async #close({ app, backups, collector, events, flush, metadata, pulls, sweep, uploads }: Running): Promise<void> {
    clearInterval(sweep)
    clearInterval(flush)
    try {
      await drainServer(app)
    } finally {
      await backups.closeAll()
      await collector.stop()
      await events.stop()
      await uploads.close()
      await pulls.flush()
      await metadata.close()
    }
  }

  async #sweep({ readOnly, uploads }: Parts): Promise<void> {
    // Nobody can go on with an upload now.
    if (readOnly.isOn) return
    try {
      await uploads.expire()
    } catch (err) {
      this.#init.logger.warn({ err }, 'an upload that nobody goes on with could not be dropped')
    }
  }
}

function hostPort({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
