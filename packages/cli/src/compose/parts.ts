import { join } from 'node:path'
import { ContentStore } from '@shoal/content'
import {
  type AgentSwarm,
  createTransferMetrics,
  type Identity,
  LaneListenError,
  type TransferMetrics
} from '@shoal/swarm'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { CONTENT_DIRECTORY } from '../commands/data-folders.ts'
import { CommandError, describeError, errorCode } from '../errors.ts'
import type { StatusDocument } from '../status/status-document.ts'
import { formatAddress, type HostPort } from '../values/address.ts'

/** A part of a running process that can be reached. */
export interface RunningProcess {
  readonly peerId: string
  /** Where clients connect. */
  readonly address: HostPort
  readonly adminAddress: HostPort
  /** Multiaddrs of the mesh's node. */
  readonly meshAddresses: readonly string[]
  status(): Promise<StatusDocument>
  /** Why it is not ready; empty when it is. */
  notReady(): readonly string[]
  /** Lets requests under way end, then closes everything. */
  stop(): Promise<void>
}

/** Metrics of a process: its own, and the counters of payload bytes that all its parts share. */
export function createMetrics(): { metrics: Registry; transfer: TransferMetrics } {
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  return { metrics, transfer: createTransferMetrics(metrics) }
}

/** What {@link openStore} needs. */
export interface StoreInit {
  readonly directory: string
  readonly metrics: Registry
  /** Signs chunk maps; given by the registry only. */
  readonly signer?: Identity
  readonly limitBytes?: number | undefined
  /** Where whole blobs are that another process keeps. */
  readonly blobs?: string
}

/** The content store of a data folder. @throws CommandError when another process has it */
export async function openStore(init: StoreInit): Promise<ContentStore> {
  const directory = join(init.directory, CONTENT_DIRECTORY)
  try {
    return await ContentStore.open({
      directory,
      metrics: init.metrics,
      ...(init.signer === undefined ? {} : { signer: init.signer.privateKey }),
      ...(init.blobs === undefined ? {} : { blobs: init.blobs }),
      ...(init.limitBytes === undefined ? {} : { limitBytes: init.limitBytes })
    })
  } catch (cause) {
    if (errorCode(cause) !== 'STORE_LOCKED') throw cause
    throw new CommandError(`${directory} is in use by another process; stop it, or give another folder with --data`, {
      cause
    })
  }
}

/** Codes of what the system says of an address; libp2p has them in its messages only. */
const LISTEN_ERROR = /\b(?:EADDRINUSE|EADDRNOTAVAIL|EACCES|EAFNOSUPPORT|ENOTFOUND|EAI_AGAIN)\b/

/** Runs the start of a listener; a port that is taken or forbidden gets an error that names its flag. */
export async function listening<T>(
  flag: string,
  address: { host?: string | undefined; port: number },
  start: () => Promise<T>
): Promise<T> {
  try {
    return await start()
  } catch (cause) {
    if (cause instanceof LaneListenError)
      return await listening('--lane-listen', cause, () => Promise.reject(cause.cause))
    const where = formatAddress({ host: address.host ?? '', port: address.port })
    const code = LISTEN_ERROR.exec(`${errorCode(cause)} ${describeError(cause)}`)?.[0]
    if (code === undefined) throw cause
    const why = code === 'EADDRINUSE' ? 'it is taken' : code
    throw new CommandError(`cannot listen on ${where}: ${why}; give another address with ${flag}`, { cause })
  }
}

type CommonStatus = Omit<StatusDocument, 'role' | 'registry' | 'admitted' | 'repositories' | 'transfers' | 'upstreams'>

/** The parts of a status document that an agent's and the registry's have in common. */
export function commonStatus(parts: {
  readonly startedAt: number
  readonly version: string
  readonly zone: string
  readonly store: ContentStore
  readonly transfer: TransferMetrics
  readonly swarm: Pick<AgentSwarm, 'peerId' | 'peers' | 'banned' | 'zoneTotals'>
}): CommonStatus {
  const { store, swarm } = parts
  const { received, sent } = parts.transfer.totals()
  return {
    version: parts.version,
    peerId: swarm.peerId,
    zone: parts.zone === '' ? undefined : parts.zone,
    uptimeSeconds: Math.round((performance.now() - parts.startedAt) / 1000),
    peers: swarm.peers.map(({ peerId, role, zone, address, bytesReceived, bytesSent }) => {
      return { peerId, role, zone, address: address ?? '', bytesReceived, bytesSent }
    }),
    store: { bytes: store.usage.bytes, blobs: store.usage.blobs, limitBytes: store.usage.limitBytes },
    bytesReceived: received,
    bytesSent: sent,
    zoneBytes: swarm.zoneTotals,
    banned: swarm.banned
  }
}
