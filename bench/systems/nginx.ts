import type { BenchSystem } from '../bench-system.ts'
import { startNginx } from './nginx-server.ts'

/** Plain HTTP: every node GETs the files from nginx. */
export const nginx: BenchSystem = {
  name: 'nginx',
  description: 'plain HTTP: every node GETs the files from nginx (sendfile) on the seed',
  peerToPeer: false,
  roughCpuSecondsPerGB: 1,
  start: async (site) => {
    const server = await startNginx(site.seed, site.directory('nginx'))
    return { processes: server.processes, publish: server.publish, base: () => server.base }
  }
}
