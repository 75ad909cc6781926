import { formatBytes, formatSeconds, formatShare } from '../progress/units.ts'
import { type Alignment, formatTable } from '../text-table.ts'
import type { PullResult } from './pull-through-agent.ts'

/** Past so many agents a column for each would not fit on a screen. */
const MAX_AGENT_COLUMNS = 4

/** One agent's row. */
export interface AgentResult {
  readonly name: string
  readonly peerId: string
  readonly result: PullResult
}

/**
 * Who got how much from whom, and what it cost the registry.
 *
 * @param imageBytes size of the image
 * @param registryBytes what the registry sent for all agents, over the mesh and over HTTP
 */
export function formatClosingTable(agents: readonly AgentResult[], imageBytes: number, registryBytes: number): string {
  const columns = agents.length <= MAX_AGENT_COLUMNS ? agents : []
  const header = ['AGENT', 'TIME', 'FROM REGISTRY', 'FROM PEERS', 'SHARE', ...columns.map(({ name }) => `FROM ${name}`)]
  const rows = agents.map(({ name, peerId, result }) => {
    const all = result.fromRegistryBytes + result.fromPeersBytes
    return [
      name,
      formatSeconds(result.seconds),
      formatBytes(result.fromRegistryBytes),
      formatBytes(result.fromPeersBytes),
      all === 0 ? '-' : formatShare(result.fromPeersBytes / all),
      ...columns.map((other) => (other.peerId === peerId ? '-' : formatBytes(result.fromPeer.get(other.peerId) ?? 0)))
    ]
  })
  const alignments: Alignment[] = ['left', ...header.slice(1).map(() => 'right' as const)]
  const ratio = (registryBytes / imageBytes).toFixed(2)
  const count = `${agents.length} ${agents.length === 1 ? 'agent' : 'agents'}`
  return [
    ...formatTable(header, rows, alignments),
    '',
    `The registry sent ${formatBytes(registryBytes)} so that ${count} got ${formatBytes(imageBytes)} each: ${ratio} times the image.`,
    ''
  ].join('\n')
}
