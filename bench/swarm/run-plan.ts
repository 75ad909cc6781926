import type { BenchSystem } from '../bench-system.ts'
import type { Cell, PointCell, SwarmCell } from './cells.ts'
import { estimatePointSeconds, estimateSwarmSeconds } from './estimate.ts'

/** One thing to measure. */
export type Step = { readonly name: string; readonly estimateSeconds: number } & (
  | { readonly kind: 'swarm'; readonly cell: SwarmCell; readonly system: BenchSystem }
  | { readonly kind: 'point'; readonly cell: PointCell }
)

/** Lays out what is measured in which order: one system at a time, for what runs beside it would take its processor time. */
export function planRun(cells: readonly Cell[], systems: readonly BenchSystem[], cores: number): Step[] {
  return cells.flatMap((cell): Step[] => {
    if (cell.kind === 'point') {
      return [{ kind: 'point', name: cell.name, cell, estimateSeconds: estimatePointSeconds(cell) }]
    }
    const needsPeers = cell.mode === 'registry-lost' || cell.mode === 'peers-vanish'
    return systems
      .filter((system) => cell.systems.includes(system.name) && (system.peerToPeer || !needsPeers))
      .map((system) => ({
        kind: 'swarm',
        name: `${cell.name} ${system.name}`,
        cell,
        system,
        estimateSeconds: estimateSwarmSeconds(cell, system, cores)
      }))
  })
}
