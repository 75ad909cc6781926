import { join } from 'node:path'
import { BlobNames, createAgent, RegistryFallback } from '@shoal/agent'
import { RegistryClient } from '@shoal/oci'
import { createAgentSwarm, type JoinToken, type LaneConfig, type Logger, loadIdentity } from '@shoal/swarm'
import { createAdminServer } from '../admin.ts'
import { DATA_DIRECTORY_MODE, DATASTORE_DIRECTORY, IDENTITY_FILE, TAGS_DIRECTORY } from '../commands/data-folders.ts'
import { makeDirectory } from '../files.ts'
import type { HostPort } from '../values/address.ts'
import type { MeshAddress } from '../values/mesh-address.ts'
import { VERSION } from '../version.ts'
import { askMeshAddresses, askUpstreams } from './mesh-answer.ts'
import { commonStatus, createMetrics, listening, openStore, type RunningProcess } from './parts.ts'
import { withTeardown } from './teardown.ts'

/** Everything that makes an agent what it is. */
export interface AgentConfig {
  readonly directory: string
  /** Base URL of the registry. */
  readonly registryUrl: string
  /** Other names, `host[:port]`, under which images name that registry. */
  readonly registryNames: readonly string[]
  readonly joinToken: JoinToken
  readonly listen: HostPort
  readonly p2pListen: MeshAddress
  readonly lane: LaneConfig
  readonly adminListen: HostPort
  readonly zone: string
  /** Bytes of the store from which old blobs are evicted. */
  readonly cacheBytes: number
  /** Bytes per second to and from peers; undefined for no limit. */
  readonly uploadRate: number | undefined
  readonly downloadRate: number | undefined
  /** Whether the blobs of an image are fetched once its manifest was served. @default true */
  readonly prefetch?: boolean
  readonly logger: Logger
}

/** Starts an agent: its store, its place in the mesh, its mirror and its admin address. */
export async function startAgent(config: AgentConfig): Promise<RunningProcess> {
  const { directory, joinToken, logger } = config
  const startedAt = performance.now()
  await makeDirectory(directory, '--data', DATA_DIRECTORY_MODE)
  return await withTeardown(async (teardown) => {
    const { metrics, transfer } = createMetrics()
    const identity = await loadIdentity(join(directory, IDENTITY_FILE))
    const store = await openStore({ directory, metrics, limitBytes: config.cacheBytes })
    teardown.add('store', () => store.close())
    const client = new RegistryClient({ url: config.registryUrl, userAgent: `shoal/${VERSION}` })
    teardown.add('registry client', () => client.close())
    const names = new BlobNames()
    const swarm = await createAgentSwarm({
      identity,
      directory: join(directory, DATASTORE_DIRECTORY),
      listen: config.p2pListen,
      lane: config.lane,
      agentVersion: `shoal/${VERSION}`,
      store,
      transfer,
      metrics,
      logger: logger.child({ part: 'mesh' }),
      uploadRate: config.uploadRate,
      downloadRate: config.downloadRate,
      joinToken,
      zone: config.zone,
      fallback: new RegistryFallback(client, names),
      registryAddresses: (options) => askMeshAddresses(client, options)
    })
    teardown.add('mesh', () => swarm.stop())
    const agent = await createAgent({
      store,
      swarm,
      client,
      names,
      registryNames: [client.host, ...config.registryNames],
      tagsDirectory: join(directory, TAGS_DIRECTORY),
      askUpstreams: async (options) => await askUpstreams(client, options),
      listen: config.listen,
      logger: logger.child({ part: 'mirror' }),
      metrics,
      transfer,
      prefetch: config.prefetch ?? true
    })
    teardown.add('mirror', () => agent.stop())
    let started = false
    const notReady = (): string[] => {
      const { membership } = swarm
      const reasons = started ? [] : ['the mirror is starting']
      if (membership.state !== 'admitted') reasons.push(`not admitted to the mesh: ${membership.reason}`)
      return reasons
    }
    const status = async () => ({
      role: 'agent',
      ...commonStatus({ startedAt, version: VERSION, zone: config.zone, store, transfer, swarm }),
      registry: { url: config.registryUrl, reachable: swarm.registryLinked },
      admitted: swarm.membership.state === 'admitted',
      repositories: undefined,
      upstreams: [],
      transfers: swarm.transfers.map((transfer) => ({ ...transfer, size: transfer.size ?? 0 }))
    })
    const admin = createAdminServer({ listen: config.adminListen, metrics, notReady, status })
    teardown.add('admin server', () => admin.stop())
    await listening('--admin-listen', config.adminListen, () => admin.start())
    await listening('--p2p-listen', config.p2pListen, () => swarm.start())
    await listening('--listen', config.listen, () => agent.start())
    started = true
    return {
      peerId: identity.peerId,
      address: agent.address,
      adminAddress: admin.address,
      get meshAddresses() {
        return swarm.addresses
      },
      status,
      notReady,
      stop: () => teardown.run()
    }
  })
}
