/** A download under way, as `/api/v1/status` tells it. */
export interface TransferStatus {
  readonly digest: string
  readonly size: number
  readonly verifiedBytes: number
}

/** What the tests read of `/api/v1/status`. */
export interface ShoalStatus {
  readonly role: string
  readonly peerId: string
  /** Agents only. */
  readonly admitted?: boolean
  readonly peers: readonly { readonly peerId: string; readonly role?: string }[]
  readonly store: { readonly bytes: number; readonly blobs: number }
  readonly transfers: readonly TransferStatus[]
}

/** Reads a status page. @throws Error naming the field that is missing or of the wrong kind */
export function parseStatus(text: string): ShoalStatus {
  const page = object(JSON.parse(text), 'status')
  const store = object(page.store, 'store')
  const admitted = page.admitted
  return {
    role: string(page.role, 'role'),
    peerId: string(page.peerId, 'peerId'),
    ...(typeof admitted === 'boolean' ? { admitted } : {}),
    peers: array(page.peers, 'peers').map((entry) => {
      const peer = object(entry, 'peer')
      const role = peer.role
      return { peerId: string(peer.peerId, 'peers[].peerId'), ...(typeof role === 'string' ? { role } : {}) }
    }),
    store: { bytes: number(store.bytes, 'store.bytes'), blobs: number(store.blobs, 'store.blobs') },
    transfers: array(page.transfers, 'transfers').map((entry) => {
      const transfer = object(entry, 'transfer')
      return {
        digest: string(transfer.digest, 'transfers[].digest'),
        size: number(transfer.size, 'transfers[].size'),
        verifiedBytes: number(transfer.verifiedBytes, 'transfers[].verifiedBytes')
      }
    })
  }
}

function object(value: unknown, name: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(name, 'an object', value)
  return value as Record<string, unknown>
}

function array(value: unknown, name: string): unknown[] {
  if (!Array.isArray(value)) throw wrong(name, 'an array', value)
  return value
}

function string(value: unknown, name: string): string {
  if (typeof value !== 'string') throw wrong(name, 'a string', value)
  return value
}

function number(value: unknown, name: string): number {
  if (typeof value !== 'number') throw wrong(name, 'a number', value)
  return value
}

function wrong(name: string, kind: string, value: unknown): Error {
  return new Error(`the status page's ${name} should be ${kind}, but is ${JSON.stringify(value)}`)
}
