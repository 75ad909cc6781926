import { MIRROR_URL, ShoalAgent, ShoalRegistry } from '../../test/harness/shoal.ts'
import type { BenchImage, BenchSite } from '../bench-system.ts'
import { uploadImage } from './upload-image.ts'

const REPOSITORY = 'bench/image'
const STARTS_AT_ONCE = 3

/** A registry on the seed and an agent on every node, as they come. */
export interface ShoalMesh {
  readonly registry: ShoalRegistry
  readonly agents: readonly ShoalAgent[]
  /** Where an agent's own node finds images. */
  readonly base: string
  publish(image: BenchImage): Promise<void>
}

/** How processes are started, beside what all of them need. */
export interface MeshFlags {
  readonly registry?: readonly string[]
  readonly agents?: readonly string[]
}

/** Starts a mesh whose processes the caller wants to look at. */
export async function startShoal(site: BenchSite, flags: MeshFlags = {}): Promise<ShoalMesh> {
  const registry = new ShoalRegistry(site.seed, site.directory('registry'), flags.registry)
  await registry.start()
  const options = { registryUrl: registry.url, joinTokenFile: registry.joinTokenFile, args: flags.agents ?? [] }
  const agents = site.nodes.map((node) => new ShoalAgent(node, site.directory(`agent-${node.name}`), options))
  const credentials = await registry.credentials()
  // All at once they would keep each other from becoming ready in time, where cores are few.
  const waiting = agents.values()
  const startSome = async () => {
    for (const agent of waiting) await agent.start()
  }
  await Promise.all(Array.from({ length: STARTS_AT_ONCE }, startSome))
  return {
    registry,
    agents,
    base: `${MIRROR_URL}/v2/${REPOSITORY}`,
    publish: (image) => uploadImage(site.seed.namespace, `${registry.url}/v2/${REPOSITORY}`, image, credentials)
  }
}
