import { formatBytes, formatSeconds, formatShare } from '../progress/units.ts'
import { formatTable } from '../text-table.ts'
import type { StatusDocument } from './status-document.ts'

/** How much of a digest is shown: enough to tell blobs apart. */
const DIGEST_SHOWN_CHARACTERS = 19

/** The status of a process for people, ended by a line break. */
export function formatStatus(status: StatusDocument): string {
  const { store, bytesReceived, bytesSent } = status
  const limit = store.limitBytes === undefined ? '' : ` of ${formatBytes(store.limitBytes)}`
  const facts: [string, string][] = [
    [status.role, `${status.peerId}`],
    ['version', status.version],
    ['up', formatSeconds(status.uptimeSeconds)]
  ]
  if (status.zone !== undefined) facts.push(['zone', status.zone])
  if (status.registry !== undefined) facts.push(['registry', registryLine(status.registry)])
  if (status.admitted !== undefined) facts.push(['mesh', status.admitted ? 'admitted' : 'not admitted yet'])
  if (status.repositories !== undefined) facts.push(['repositories', String(status.repositories)])
  if (status.readOnly !== undefined) facts.push(['read-only', status.readOnly === '' ? 'yes' : status.readOnly])
  for (const upstream of status.upstreams) facts.push(['upstream', upstreamLine(upstream)])
  facts.push(
    ['store', `${formatBytes(store.bytes)}${limit} in ${store.blobs} blobs`],
    ['received', received(bytesReceived)],
    ['sent', `${formatBytes(bytesSent.peer)} to peers, ${formatBytes(bytesSent.client)} to clients`],
    ['banned', `${status.banned} peers`]
  )
  const zones = status.zoneBytes
  if (zones !== undefined && severalZones(status)) {
    const crossing = `${formatBytes(zones.received.other)} received, ${formatBytes(zones.sent.other)} sent`
    facts.push(['other zones', crossing])
  }
  const width = Math.max(...facts.map(([name]) => name.length))
  const lines = facts.flatMap(([name, value]) => formatTable([name.padEnd(width), value], []))
  return `${[...lines, '', ...peerLines(status), '', ...transferLines(status)].join('\n')}\n`
}

/** Whether this process has a zone, or has dealt with another one. */
function severalZones({ zone, zoneBytes }: StatusDocument): boolean {
  return zone !== undefined || (zoneBytes?.received.other ?? 0) + (zoneBytes?.sent.other ?? 0) > 0
}

function registryLine(registry: { url: string; reachable: boolean }): string {
  return `${registry.url} (${registry.reachable ? 'reachable' : 'not reachable'})`
}

function upstreamLine({ host, running, up, waiting }: StatusDocument['upstreams'][number]): string {
  const queue = running + waiting === 0 ? '' : `, ${running} requests under way, ${waiting} waiting`
  return `${host} (${up ? 'answers' : 'does not answer: what is cached is served'}${queue})`
}

function received(bytes: StatusDocument['bytesReceived']): string {
  const all = bytes.peer + bytes.registry + bytes.upstream
  const share = all === 0 ? '' : ` (${formatShare(bytes.peer / all)} from peers)`
  const upstream = bytes.upstream === 0 ? '' : `, ${formatBytes(bytes.upstream)} from upstreams`
  return `${formatBytes(bytes.peer)} from peers, ${formatBytes(bytes.registry)} from the registry${upstream}${share}`
}

function peerLines({ peers }: StatusDocument): string[] {
  if (peers.length === 0) return ['no peers connected']
  return formatTable(
    ['PEER', 'ADDRESS', 'ROLE', 'ZONE', 'RECEIVED', 'SENT'],
    peers.map((peer) => [
      peer.peerId,
      peer.address,
      peer.role,
      peer.zone,
      formatBytes(peer.bytesReceived),
      formatBytes(peer.bytesSent)
    ]),
    ['left', 'left', 'left', 'left', 'right', 'right']
  )
}

function transferLines({ transfers }: StatusDocument): string[] {
  if (transfers.length === 0) return ['no transfers under way']
  return formatTable(
    ['BLOB', 'SIZE', 'DONE', 'PEERS', 'FROM PEERS', 'FROM REGISTRY'],
    transfers.map((transfer) => [
      transfer.digest.slice(0, DIGEST_SHOWN_CHARACTERS),
      formatBytes(transfer.size),
      formatShare(transfer.size === 0 ? 1 : transfer.verifiedBytes / transfer.size),
      String(transfer.peers),
      formatBytes(transfer.fromPeersBytes),
      formatBytes(transfer.fromRegistryBytes)
    ]),
    ['left', 'right', 'right', 'right', 'right', 'right']
  )
}
