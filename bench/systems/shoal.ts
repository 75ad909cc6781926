import type { BenchSystem } from '../bench-system.ts'
import { startShoal } from './shoal-mesh.ts'

/** A mesh whose processes are started with these flags beside those that they need. */
export interface ShoalVariant {
  readonly name: string
  /** What is particular about it, as the end of a sentence. */
  readonly lane: string
  readonly roughCpuSecondsPerGB: number
  /** For the registry and the agents alike. */
  readonly flags: readonly string[]
}

/** Makes a system of a variant: every node pulls through its own agent. */
export function shoalSystem(variant: ShoalVariant): BenchSystem {
  return {
    name: variant.name,
    description: `every node pulls through its own shoal agent, shoal registry on the seed; ${variant.lane}`,
    peerToPeer: true,
    roughCpuSecondsPerGB: variant.roughCpuSecondsPerGB,
    start: async (site) => {
      const { registry, agents, base, publish } = await startShoal(site, {
        registry: variant.flags,
        agents: variant.flags
      })
      return {
        processes: [
          { role: 'registry', node: site.seed, pid: registry.process.pid },
          ...agents.map((agent) => ({ role: 'agent', node: agent.node, pid: agent.process.pid }))
        ],
        publish,
        base: () => base
      }
    }
  }
}

/** The three ways that bulk bytes can take between peers. */
export const SHOAL_VARIANTS: readonly BenchSystem[] = [
  { name: 'shoal', lane: 'direct lane with TLS (the default)', roughCpuSecondsPerGB: 6, flags: [] },
  {
    name: 'shoal-plain',
    lane: 'direct lane without encryption',
    roughCpuSecondsPerGB: 5,
    flags: ['--lane-encryption', 'none']
  },
  {
    name: 'shoal-libp2p',
    lane: 'no direct lane, libp2p streams only',
    roughCpuSecondsPerGB: 30,
    flags: ['--lane-listen', 'off']
  }
].map(shoalSystem)
