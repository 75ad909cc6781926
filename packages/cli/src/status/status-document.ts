/**
 * The answer of `/api/v1/status` as this program reads it. What an older or newer process leaves out is undefined, and what
 * has another type counts as left out.
 */
export interface StatusDocument {
  readonly role: string
  readonly version: string
  readonly peerId: string
  readonly zone: string | undefined
  readonly uptimeSeconds: number
  readonly registry: { readonly url: string; readonly reachable: boolean } | undefined
  readonly admitted: boolean | undefined
  readonly repositories: number | undefined
  /** Why the registry refuses pushes and deletes; undefined when it takes them. */
  readonly readOnly?: string | undefined
  /** Registries whose images this one caches. */
  readonly upstreams: readonly UpstreamState[]
  readonly peers: readonly PeerStatus[]
  readonly store: { readonly bytes: number; readonly blobs: number; readonly limitBytes: number | undefined }
  readonly transfers: readonly TransferStatus[]
  readonly bytesReceived: { readonly peer: number; readonly registry: number; readonly upstream: number }
  readonly bytesSent: { readonly peer: number; readonly client: number }
  /** What was exchanged with peers, by whether they are in the same zone; undefined from an older process. */
  readonly zoneBytes: ZoneBytesStatus | undefined
  readonly banned: number
}

/** Payload bytes by zone. */
export interface ZoneBytesStatus {
  readonly received: { readonly same: number; readonly other: number }
  readonly sent: { readonly same: number; readonly other: number }
}

export interface UpstreamState {
  readonly host: string
  readonly up: boolean
  /** Requests under way, and those that wait for their turn. */
  readonly running: number
  readonly waiting: number
}

export interface PeerStatus {
  readonly peerId: string
  readonly role: string
  readonly zone: string
  /** Where it can be dialled, as a multiaddr; empty when not known. */
  readonly address: string
  readonly bytesReceived: number
  readonly bytesSent: number
}

export interface TransferStatus {
  readonly digest: string
  readonly size: number
  readonly verifiedBytes: number
  readonly peers: number
  readonly fromPeersBytes: number
  readonly fromRegistryBytes: number
}

/** Reads a status document. @returns undefined when it is none at all */
export function parseStatus(value: unknown): StatusDocument | undefined {
  const role = text(value, 'role')
  if (role !== 'agent' && role !== 'registry') return undefined
  const registry = field(value, 'registry')
  const store = field(value, 'store')
  const received = field(value, 'bytesReceived')
  const sent = field(value, 'bytesSent')
  return {
    role,
    version: text(value, 'version') ?? '',
    peerId: text(value, 'peerId') ?? '',
    zone: text(value, 'zone'),
    uptimeSeconds: number(value, 'uptimeSeconds'),
    registry:
      typeof registry === 'object' && registry !== null
        ? { url: text(registry, 'url') ?? '', reachable: field(registry, 'reachable') === true }
        : undefined,
    admitted: boolean(value, 'admitted'),
    repositories: optionalNumber(value, 'repositories'),
    readOnly: text(value, 'readOnly'),
    upstreams: list(value, 'upstreams').map(parseUpstream),
    peers: list(value, 'peers').map(parsePeer),
    store: {
      bytes: number(store, 'bytes'),
      blobs: number(store, 'blobs'),
      limitBytes: optionalNumber(store, 'limitBytes')
    },
    transfers: list(value, 'transfers').map(parseTransfer),
    bytesReceived: {
      peer: number(received, 'peer'),
      registry: number(received, 'registry'),
      upstream: number(received, 'upstream')
    },
    bytesSent: { peer: number(sent, 'peer'), client: number(sent, 'client') },
    zoneBytes: parseZoneBytes(field(value, 'zoneBytes')),
    banned: number(value, 'banned')
  }
}

function parseZoneBytes(value: unknown): ZoneBytesStatus | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const sides = (name: string) => ({
    same: number(field(value, name), 'same'),
    other: number(field(value, name), 'other')
  })
  return { received: sides('received'), sent: sides('sent') }
}

function parseUpstream(value: unknown): UpstreamState {
  return {
    host: text(value, 'host') ?? '',
    up: field(value, 'up') === true,
    running: number(value, 'running'),
    waiting: number(value, 'waiting')
  }
}

function parsePeer(value: unknown): PeerStatus {
  return {
    peerId: text(value, 'peerId') ?? '',
    role: text(value, 'role') ?? '',
    zone: text(value, 'zone') ?? '',
    address: text(value, 'address') ?? '',
    bytesReceived: number(value, 'bytesReceived'),
    bytesSent: number(value, 'bytesSent')
  }
}

function parseTransfer(value: unknown): TransferStatus {
  return {
    digest: text(value, 'digest') ?? '',
    size: number(value, 'size'),
    verifiedBytes: number(value, 'verifiedBytes'),
    peers: number(value, 'peers'),
    fromPeersBytes: number(value, 'fromPeersBytes'),
    fromRegistryBytes: number(value, 'fromRegistryBytes')
  }
}

function field(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Object.getOwnPropertyDescriptor(value, name)?.value : undefined
}

function text(value: unknown, name: string): string | undefined {
  const found = field(value, name)
  return typeof found === 'string' ? found : undefined
}

function number(value: unknown, name: string): number {
  return optionalNumber(value, name) ?? 0
}

function optionalNumber(value: unknown, name: string): number | undefined {
  const found = field(value, name)
  return typeof found === 'number' && Number.isFinite(found) ? found : undefined
}

function boolean(value: unknown, name: string): boolean | undefined {
  const found = field(value, name)
  return typeof found === 'boolean' ? found : undefined
}

function list(value: unknown, name: string): readonly unknown[] {
  const found = field(value, name)
  return Array.isArray(found) ? found : []
}
