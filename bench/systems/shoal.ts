import { MIRROR_URL, ShoalAgent, ShoalRegistry } from '../../test/harness/shoal.ts'
import type { BenchSystem } from '../bench-system.ts'
import { uploadBlob } from '../upload-blob.ts'

const REPOSITORY = 'bench/blob'

/** The mesh: every node GETs the blob from its own agent. */
export const shoal: BenchSystem = {
  name: 'shoal',
  description: 'every node GETs the blob from its own shoal agent; shoal registry on the seed',
  start: async (site) => {
    const registry = new ShoalRegistry(site.seed, site.directory('shoal-registry'))
    await registry.start()
    const { joinTokenFile, url: registryUrl } = registry
    const agents = site.nodes.map(
      (node) => new ShoalAgent(node, site.directory(`shoal-agent-${node.name}`), { registryUrl, joinTokenFile })
    )
    await Promise.all(agents.map((agent) => agent.start()))
    const credentials = await registry.credentials()
    return {
      pids: [registry, ...agents].map((server) => server.process.pid),
      publish: (blob) => uploadBlob(site.seed.namespace, `${registryUrl}/v2/${REPOSITORY}`, blob, credentials),
      blobUrl: (_node, blob) => `${MIRROR_URL}/v2/${REPOSITORY}/blobs/${blob.digest}`
    }
  }
}
