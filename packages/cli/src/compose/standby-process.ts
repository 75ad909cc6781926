import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Digest, RegistryClient } from '@shoal/oci'
import { createRegistry, type RegistryInit, type SnapshotRecord } from '@shoal/registry'
import {
  createAgentSwarm,
  type Fallback,
  type JoinToken,
  type LaneConfig,
  type Logger,
  loadIdentity,
  systemClock
} from '@shoal/swarm'
import { createAdminServer } from '../admin.ts'
import { BLOBS_NAME, SECRETS_NAME } from '../backup/backup-layout.ts'
import { WatchedBackup } from '../backup/watched-backup.ts'
import {
  ADMIN_PASSWORD_FILE,
  DATA_DIRECTORY_MODE,
  DATASTORE_DIRECTORY,
  IDENTITY_FILE
} from '../commands/data-folders.ts'
import { makeDirectory } from '../files.ts'
import type { HostPort } from '../values/address.ts'
import type { MeshAddress } from '../values/mesh-address.ts'
import { VERSION } from '../version.ts'
import { askMeshAddresses } from './mesh-answer.ts'
import { commonStatus, createMetrics, listening, openStore, type RunningProcess } from './parts.ts'
import { loadAdminPassword } from './secrets.ts'
import { withTeardown } from './teardown.ts'

/** Images that the mesh is told of by itself: those pushed last. */
const PROVIDED_IMAGES = 64
const READ_ONLY_REASON = 'it is a standby, which serves a backup; push to the registry that the backup is of'

/** Everything that makes a standby what it is. */
export interface StandbyConfig {
  /** Folder of what it keeps itself: its identity and certificate. */
  readonly directory: string
  /** The folder that `shoal backup` writes. Nothing is written into it here. */
  readonly backup: string
  /** Base URL of the registry that the backup is of. */
  readonly registryUrl: string
  readonly joinToken: JoinToken
  readonly listen: HostPort
  readonly p2pListen: MeshAddress
  readonly lane: LaneConfig
  readonly adminListen: HostPort
  readonly anonymous: RegistryInit['anonymous']
  readonly zone: string
  /** Bytes per second to peers; undefined for no limit. */
  readonly uploadRate: number | undefined
  readonly logger: Logger
}

/** A standby has nothing to fetch. */
const NOWHERE: Fallback = { chunkMap: () => Promise.resolve(undefined), read: () => Promise.resolve(undefined) }

/**
 * Starts a standby: a registry that serves a backup read-only, and a member of the mesh that seeds it. It has an identity of
 * its own, so that it can run beside the registry; chunk maps are those that the registry signed.
 */
export async function startStandby(config: StandbyConfig): Promise<RunningProcess> {
  const { backup, directory, joinToken, logger } = config
  const startedAt = performance.now()
  await makeDirectory(directory, '--data', DATA_DIRECTORY_MODE)
  return await withTeardown(async (teardown) => {
    const { metrics, transfer } = createMetrics()
    const identity = await loadIdentity(join(directory, IDENTITY_FILE))
    const store = await openStore({ directory, metrics, blobs: join(backup, BLOBS_NAME) })
    teardown.add('store', () => store.close())
    const client = new RegistryClient({ url: config.registryUrl, userAgent: `shoal/${VERSION}` })
    teardown.add('registry client', () => client.close())
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
      downloadRate: undefined,
      joinToken,
      zone: config.zone,
      fallback: NOWHERE,
      registryAddresses: (options) => askMeshAddresses(client, options)
    })
    teardown.add('mesh', () => swarm.stop())
    const registry = createRegistry({
      store,
      directory,
      listen: config.listen,
      anonymous: config.anonymous,
      adminPassword: await loadAdminPassword(await passwordFile(config)),
      seeder: { announce: () => undefined },
      readOnly: READ_ONLY_REASON,
      // Nodes that look for the registry's own place in the mesh do not find it here.
      mesh: () => ({ peerId: joinToken.authority, addresses: [] }),
      logger: logger.child({ part: 'registry' }),
      metrics,
      transfer
    })
    teardown.add('registry', () => registry.stop())
    const watched = new WatchedBackup({
      folder: backup,
      store,
      clock: systemClock,
      logger,
      async adopt(records) {
        const images = new LatestImages()
        await registry.adopt(images.noting(records))
        for (const image of images.digests) swarm.provideImage(image)
      }
    })
    let isServing = false
    const notReady = (): string[] => {
      const { membership } = swarm
      const reasons = isServing && registry.ready() ? [] : ['the backup is being read']
      if (membership.state !== 'admitted') reasons.push(`not admitted to the mesh: ${membership.reason}`)
      return reasons
    }
    const status = async () => ({
      role: 'registry',
      ...commonStatus({ startedAt, version: VERSION, zone: config.zone, store, transfer, swarm }),
      registry: { url: config.registryUrl, reachable: swarm.registryLinked },
      admitted: swarm.membership.state === 'admitted',
      repositories: (await registry.status()).repositories,
      readOnly: READ_ONLY_REASON,
      upstreams: [],
      transfers: []
    })
    const admin = createAdminServer({ listen: config.adminListen, metrics, notReady, status })
    teardown.add('admin server', () => admin.stop())
    await listening('--admin-listen', config.adminListen, () => admin.start())
    await listening('--p2p-listen', config.p2pListen, () => swarm.start())
    await listening('--listen', config.listen, () => registry.start())
    teardown.add('backup', () => watched.stop())
    await watched.start()
    isServing = true
    return {
      peerId: identity.peerId,
      address: registry.address,
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

/** The administrator's password is that of the registry where the backup has it. */
async function passwordFile({ backup, directory }: StandbyConfig): Promise<string> {
  const saved = join(backup, SECRETS_NAME, ADMIN_PASSWORD_FILE)
  const isThere = await stat(saved).then(
    () => true,
    () => false
  )
  return isThere ? saved : join(directory, ADMIN_PASSWORD_FILE)
}

/** Notes the images pushed last among the records that pass. */
class LatestImages {
  #latest: { readonly digest: Digest; readonly pushedAt: number }[] = []

  get digests(): Digest[] {
    return this.#latest.map(({ digest }) => digest)
  }

  async *noting(records: AsyncIterable<SnapshotRecord>): AsyncGenerator<SnapshotRecord, void, void> {
    for await (const record of records) {
      if (record.kind === 'manifest') {
        this.#latest.push(record.manifest)
        if (this.#latest.length > 2 * PROVIDED_IMAGES) this.#trim()
      }
      yield record
    }
    this.#trim()
  }

  #trim(): void {
    this.#latest = this.#latest.sort((a, b) => b.pushedAt - a.pushedAt).slice(0, PROVIDED_IMAGES)
  }
}
