import type { AddressInfo } from 'node:net'
import type { ContentStore } from '@shoal/content'
import { drainServer, type RegistryClient } from '@shoal/oci'
import {
  type AgentSwarm,
  type Clock,
  type Logger,
  RegistryBreaker,
  systemClock,
  type TransferMetrics
} from '@shoal/swarm'
import type { Registry } from 'prom-client'
import { createAgentMetrics } from './agent-metrics.ts'
import { BlobFetcher } from './blob-fetcher.ts'
import type { BlobNames } from './blob-names.ts'
import { FillClient } from './fill-client.ts'
import { ImagePrefetcher } from './image-prefetcher.ts'
import { ManifestFetcher } from './manifest-fetcher.ts'
import { createMirror } from './mirror.ts'
import { TagMemory } from './tag-memory.ts'
import { Tags } from './tags.ts'
import { UpstreamFetcher } from './upstream-fetcher.ts'
import { UpstreamNames, type UpstreamNamesInit } from './upstream-names.ts'

/** What an agent is made of. The caller starts and stops the swarm and closes the store. */
export interface AgentInit {
  readonly store: ContentStore
  readonly swarm: AgentSwarm
  readonly client: RegistryClient
  /** The same one that the swarm's fallback looks in. */
  readonly names: BlobNames
  /** Names under which clients know the registry, `host[:port]`. */
  readonly registryNames: readonly string[]
  /** Folder of what is remembered of tags. */
  readonly tagsDirectory: string
  /** Asks the registry which upstreams' images are to be had there; undefined for none. */
  readonly askUpstreams?: UpstreamNamesInit['ask']
  readonly listen: { readonly host: string; readonly port: number }
  readonly logger: Logger
  readonly metrics: Registry
  readonly transfer: TransferMetrics
  /** Start on the blobs of an image once its manifest was served. @default true */
  readonly prefetch?: boolean
  readonly clock?: Clock
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
}

/** A node's mirror. */
export interface Agent {
  /** Where it listens; known once started. */
  readonly address: { readonly host: string; readonly port: number }
  start(): Promise<void>
  /** Stops listening and lets pulls under way end, see {@link drainServer}. */
  stop(): Promise<void>
}

/** Makes a node's mirror on top of its store and its place in the mesh. */
export async function createAgent(init: AgentInit): Promise<Agent> {
  const { store, swarm, client, names, logger } = init
  const metrics = createAgentMetrics(init.metrics)
  const memory = await TagMemory.open(init.tagsDirectory)
  const clock = init.clock ?? systemClock
  const breaker = new RegistryBreaker({ client, clock, logger })
  const upstreams = new UpstreamNames({ ask: init.askUpstreams ?? (() => Promise.resolve([])), clock, logger })
  const fills = new FillClient(client, swarm.peerId)
  const { transfer } = init
  const upstream = new UpstreamFetcher({ store, swarm, client, fills, breaker, upstreams, transfer, clock, logger })
  const blobs = new BlobFetcher({ store, swarm, names, upstream })
  const prefetcher =
    init.prefetch === false ? undefined : new ImagePrefetcher({ store, swarm, names, logger, upstream, upstreams })
  const mirror = createMirror({
    blobs,
    manifests: new ManifestFetcher({ blobs, swarm, prefetcher, logger }),
    upstreams,
    tags: new Tags({ upstreams, client, breaker, memory, metrics, logger, clock, now: init.now ?? Date.now }),
    client,
    breaker,
    metrics,
    transfer: init.transfer,
    logger,
    registryNames: init.registryNames
  })
  let address = { host: init.listen.host, port: init.listen.port }
  return {
    get address() {
      return address
    },
    async start() {
      upstreams.start()
      await mirror.listen({ host: init.listen.host, port: init.listen.port })
      const bound = mirror.server.address() as AddressInfo
      address = { host: bound.address, port: bound.port }
    },
    async stop() {
      await drainServer(mirror)
      upstreams.stop()
      upstream.stop()
      breaker.stop()
      await memory.close()
    }
  }
}
