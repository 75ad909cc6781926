import { networkInterfaces } from 'node:os'
import { join } from 'node:path'
import { createRegistry, type Policy, type RegistryInit } from '@shoal/registry'
import {
  createRegistrySwarm,
  formatJoinToken,
  type LaneConfig,
  type Logger,
  loadIdentity,
  loadJoinToken,
  type RegistrySwarm
} from '@shoal/swarm'
import { createAdminServer } from '../admin.ts'
import { assertRestored } from '../backup/restoring.ts'
import {
  ADMIN_PASSWORD_FILE,
  DATA_DIRECTORY_MODE,
  DATASTORE_DIRECTORY,
  IDENTITY_FILE,
  JOIN_TOKEN_FILE
} from '../commands/data-folders.ts'
import { makeDirectory } from '../files.ts'
import type { HostPort } from '../values/address.ts'
import type { MeshAddress } from '../values/mesh-address.ts'
import { VERSION } from '../version.ts'
import { commonStatus, createMetrics, listening, openStore, type RunningProcess } from './parts.ts'
import { loadAdminPassword } from './secrets.ts'
import { withTeardown } from './teardown.ts'

/** Everything that makes a registry what it is. */
export interface RegistryConfig {
  readonly directory: string
  readonly listen: HostPort
  readonly p2pListen: MeshAddress
  readonly lane: LaneConfig
  readonly adminListen: HostPort
  /** What a caller without credentials may do. */
  readonly anonymous: 'none' | 'pull' | 'push'
  /** What may be pushed. @default what the registry does by itself */
  readonly content?: Pick<RegistryInit, 'foreignAddresses' | 'foreignLayers' | 'sparseImages'>
  /** Registries whose images are to be had here. @default [] */
  readonly upstreams?: RegistryInit['upstreams']
  readonly zone: string
  /** Bytes per second to peers; undefined for no limit. */
  readonly uploadRate: number | undefined
  /** How often a chunk is sent to peers at most; undefined for as often as they need. */
  readonly seedCopies?: number | undefined
  /** What tags are kept, which may not move, how large repositories may become. */
  readonly policies?: readonly Policy[]
  /** Where events are sent. @default [] */
  readonly webhooks?: RegistryInit['webhooks']
  /** Why every push and delete is refused; undefined when they are not. */
  readonly readOnly?: string | undefined
  readonly logger: Logger
}

/** A registry that runs in this process. */
export interface RegistryProcess extends RunningProcess {
  /** The text that nodes show to be admitted. */
  readonly joinToken: string
  readonly joinTokenFile: string
  readonly adminPassword: string
  readonly adminPasswordFile: string
}

/** Starts a registry: its store, its place in the mesh, its HTTP interface and its admin address. */
export async function startRegistry(config: RegistryConfig): Promise<RegistryProcess> {
  const { directory, logger } = config
  const startedAt = performance.now()
  const joinTokenFile = join(directory, JOIN_TOKEN_FILE)
  const adminPasswordFile = join(directory, ADMIN_PASSWORD_FILE)
  await makeDirectory(directory, '--data', DATA_DIRECTORY_MODE)
  await assertRestored(directory)
  return await withTeardown(async (teardown) => {
    const { metrics, transfer } = createMetrics()
    const identity = await loadIdentity(join(directory, IDENTITY_FILE))
    const joinToken = await loadJoinToken(joinTokenFile, identity.peerId)
    const adminPassword = await loadAdminPassword(adminPasswordFile)
    const store = await openStore({ directory, metrics, signer: identity })
    teardown.add('store', () => store.close())
    const swarm: RegistrySwarm = await createRegistrySwarm({
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
      seedCopies: config.seedCopies,
      joinToken,
      zone: config.zone
    })
    teardown.add('mesh', () => swarm.stop())
    const registry = createRegistry({
      store,
      directory,
      listen: withoutIpv6(config.listen),
      anonymous: config.anonymous,
      adminPassword,
      ...config.content,
      seeder: swarm,
      policies: config.policies ?? [],
      webhooks: config.webhooks ?? [],
      readOnly: config.readOnly,
      upstreams: config.upstreams ?? [],
      mesh: () => ({ peerId: swarm.peerId, addresses: [...swarm.addresses] }),
      logger: logger.child({ part: 'registry' }),
      metrics,
      transfer
    })
    teardown.add('registry', () => registry.stop())
    const notReady = (): string[] => (registry.ready() ? [] : ['the registry is starting or stopping'])
    const status = async () => ({
      role: 'registry',
      ...commonStatus({ startedAt, version: VERSION, zone: config.zone, store, transfer, swarm }),
      registry: undefined,
      admitted: undefined,
      repositories: (await registry.status()).repositories,
      readOnly: registry.readOnly?.readOnly === true ? registry.readOnly.reason : undefined,
      upstreams: registry.upstreams,
      transfers: []
    })
    const admin = createAdminServer({ listen: config.adminListen, metrics, notReady, status })
    teardown.add('admin server', () => admin.stop())
    await listening('--admin-listen', config.adminListen, () => admin.start())
    await listening('--p2p-listen', config.p2pListen, () => swarm.start())
    await listening('--listen', config.listen, () => registry.start())
    return {
      peerId: identity.peerId,
      address: registry.address,
      adminAddress: admin.address,
      get meshAddresses() {
        return swarm.addresses
      },
      joinToken: formatJoinToken(joinToken),
      joinTokenFile,
      adminPassword,
      adminPasswordFile,
      status,
      notReady,
      stop: () => teardown.run()
    }
  })
}

/** A machine without IPv6 cannot listen on `::`; there all addresses are `0.0.0.0`. */
function withoutIpv6(listen: HostPort): HostPort {
  if (listen.host !== '::') return listen
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return addresses.some(({ family }) => family === 'IPv6') ? listen : { host: '0.0.0.0', port: listen.port }
}
