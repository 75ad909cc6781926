import { statfs } from 'node:fs/promises'
import { Network, type NetworkNode } from '../../test/harness/namespaces.ts'
import type { Room } from '../../test/harness/run-workspace.ts'
import type { BenchSite } from '../bench-system.ts'
import { NODE_LINK_MBIT } from './cells.ts'

/** How much of the memory file system a cell's stores may fill. */
const MEMORY_SHARE = 0.5
const MEMORY_FILES = '/dev/shm'

/** Lays out a network: a seed and nodes on one bridge. Without a rate no link is shaped. */
export async function buildSite(room: Room, nodes: number, registryMbit?: number): Promise<BenchSite> {
  const network = await Network.create(room)
  const seed = await network.addNode('seed')
  if (registryMbit !== undefined) await seed.shape({ egressMbit: registryMbit, ingressMbit: registryMbit })
  const made: NetworkNode[] = []
  for (let number = 1; number <= nodes; number++) {
    const node = await network.addNode(`n${number}`)
    if (registryMbit !== undefined) await node.shape({ egressMbit: NODE_LINK_MBIT, ingressMbit: NODE_LINK_MBIT })
    made.push(node)
  }
  return { seed, nodes: made, directory: (name) => room.subdirectory(name) }
}

/** Whether so many bytes of stores find room in memory: nodes in truth have disks of their own, and here share one. */
export async function fitsInMemory(bytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(MEMORY_FILES)
  return bytes <= bavail * bsize * MEMORY_SHARE
}
