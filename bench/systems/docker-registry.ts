import { DockerRegistry } from '../../test/harness/docker-registry.ts'
import type { BenchSystem } from '../bench-system.ts'
import { uploadBlob } from '../upload-blob.ts'

const REPOSITORY = 'bench/blob'

/** Plain HTTP: every node GETs the blob from Debian's docker-registry. */
export const dockerRegistry: BenchSystem = {
  name: 'docker-registry',
  description: "every node GETs the blob from Debian's docker-registry on the seed",
  start: async (site) => {
    const registry = await DockerRegistry.start(site.seed, site.directory('docker-registry'))
    const base = `http://${registry.host}/v2/${REPOSITORY}`
    return {
      pids: [registry.process.pid],
      publish: (blob) => uploadBlob(site.seed.namespace, base, blob),
      blobUrl: (_node, blob) => `${base}/blobs/${blob.digest}`
    }
  }
}
