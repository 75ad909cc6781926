import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { waitFor } from './deadline.ts'
import { httpGet } from './http.ts'
import type { NetworkNode } from './namespaces.ts'
import { ManagedProcess } from './process.ts'

const PORT = 5000
const START_DEADLINE_MS = 15_000

/** Debian's docker-registry on a node: the plain registry that the mesh is compared with. */
export class DockerRegistry {
  readonly process: ManagedProcess
  /** `HOST:PORT` as a reference names it. */
  readonly host: string

  static async start(node: NetworkNode, directory: string): Promise<DockerRegistry> {
    const configuration = path.join(directory, 'config.yml')
    // JSON is YAML.
    await writeFile(
      configuration,
      JSON.stringify({
        version: '0.1',
        log: { level: 'error', accesslog: { disabled: true } },
        storage: { filesystem: { rootdirectory: path.join(directory, 'data') }, cache: { blobdescriptor: 'inmemory' } },
        http: { addr: `${node.ipv4}:${PORT}` }
      })
    )
    const command = ['docker-registry', 'serve', configuration]
    const options = { namespace: node.namespace, name: `docker-registry on ${node.name}` }
    const registry = new DockerRegistry(await ManagedProcess.spawn(command, options), `${node.ipv4}:${PORT}`)
    await waitFor(
      async () => {
        if (!registry.process.running) throw new Error(`docker-registry ended:\n${registry.process.tail}`)
        return await httpGet(node.namespace, `http://${registry.host}/v2/`)
      },
      { deadlineMs: START_DEADLINE_MS, what: 'docker-registry answering' }
    )
    return registry
  }

  private constructor(child: ManagedProcess, host: string) {
    this.process = child
    this.host = host
  }

  async stop(): Promise<void> {
    await this.process.stop()
  }
}
