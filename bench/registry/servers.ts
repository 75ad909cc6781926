import { DockerRegistry } from '../../test/harness/docker-registry.ts'
import type { NetworkNode } from '../../test/harness/namespaces.ts'
import { ShoalRegistry } from '../../test/harness/shoal.ts'

/** A registry that is up. */
export interface MeasuredServer {
  readonly name: string
  readonly pid: number
  readonly host: string
  readonly port: number
  stop(): Promise<void>
}

/** A way to start one. */
export interface ServerKind {
  readonly name: string
  readonly description: string
  start(node: NetworkNode, directory: string): Promise<MeasuredServer>
}

/** What the others are compared with. */
export const DOCKER_REGISTRY: ServerKind = {
  name: 'docker-registry',
  description: "Debian's docker-registry with its file system driver and its cache of descriptors in memory",
  async start(node, directory) {
    const registry = await DockerRegistry.start(node, directory)
    return { name: this.name, pid: registry.process.pid, ...parseHost(registry.host), stop: () => registry.stop() }
  }
}

/** The registry of this project. */
export const SHOAL_REGISTRY: ServerKind = {
  name: 'shoal',
  description: '`shoal registry`, which signs chunk maps and announces to the mesh, with `--anonymous push`',
  async start(node, directory) {
    const registry = new ShoalRegistry(node, directory, ['--anonymous', 'push', '--listen', `${node.ipv4}:5000`])
    await registry.start()
    return {
      name: this.name,
      pid: registry.process.pid,
      ...parseHost(registry.host),
      stop: async () => {
        await registry.process.stop()
      }
    }
  }
}

function parseHost(authority: string): { host: string; port: number } {
  const at = authority.lastIndexOf(':')
  return { host: authority.slice(0, at), port: Number(authority.slice(at + 1)) }
}
