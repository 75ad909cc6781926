import { DockerRegistry } from '../../test/harness/docker-registry.ts'
import type { BenchSystem } from '../bench-system.ts'
import { uploadImage } from './upload-image.ts'

const REPOSITORY = 'bench/image'

/** Every node pulls from Debian's docker-registry. */
export const dockerRegistry: BenchSystem = {
  name: 'docker-registry',
  description: "every node pulls from Debian's docker-registry on the seed",
  peerToPeer: false,
  roughCpuSecondsPerGB: 2,
  start: async (site) => {
    const registry = await DockerRegistry.start(site.seed, site.directory('docker-registry'))
    const base = `http://${registry.host}/v2/${REPOSITORY}`
    return {
      processes: [{ role: 'registry', node: site.seed, pid: registry.process.pid }],
      publish: (image) => uploadImage(site.seed.namespace, base, image),
      base: () => base
    }
  }
}
