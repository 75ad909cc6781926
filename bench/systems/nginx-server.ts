import { mkdir, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { waitFor } from '../../test/harness/deadline.ts'
import { httpGet } from '../../test/harness/http.ts'
import type { NetworkNode } from '../../test/harness/namespaces.ts'
import { ManagedProcess } from '../../test/harness/process.ts'
import type { BenchImage, BenchProcess } from '../bench-system.ts'
import { childrenOf } from '../process-usage.ts'

const PORT = 8080
const START_DEADLINE_MS = 15_000

/** A file server that lays images out as a registry's addresses have them. */
export interface NginxServer {
  readonly processes: readonly BenchProcess[]
  readonly base: string
  /** Makes an image's files known to it. They stay where they are. */
  publish(image: BenchImage): Promise<void>
}

/** Starts nginx on a node: sendfile, one worker for each core, no log. @throws Error with its output when it does not start */
export async function startNginx(node: NetworkNode, directory: string): Promise<NginxServer> {
  const root = path.join(directory, 'root')
  const blobs = path.join(root, 'blobs')
  const manifests = path.join(root, 'manifests')
  await Promise.all([blobs, manifests].map((made) => mkdir(made, { recursive: true })))
  const file = path.join(directory, 'nginx.conf')
  await writeFile(file, configuration(node, directory, root))
  const server = await ManagedProcess.spawn(['nginx', '-p', directory, '-c', file, '-e', 'stderr'], {
    namespace: node.namespace,
    name: `nginx on ${node.name}`
  })
  const base = `http://${node.ipv4}:${PORT}`
  await waitFor(
    async () => {
      if (!server.running) throw new Error(`nginx ended:\n${server.tail}`)
      return await httpGet(node.namespace, base)
    },
    { deadlineMs: START_DEADLINE_MS, what: 'nginx answering' }
  )
  return {
    processes: [server.pid, ...childrenOf(server.pid)].map((pid) => ({ role: 'nginx', node, pid })),
    base,
    publish: async (image) => {
      await link(path.join(manifests, image.manifest.digest), image.manifest.file)
      for (const blob of [image.config, ...image.layers]) await link(path.join(blobs, blob.digest), blob.file)
    }
  }
}

function configuration(node: NetworkNode, directory: string, root: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `daemon off;
user root;
worker_processes auto;
pid ${path.join(directory, 'nginx.pid')};
events {}
http {
  sendfile on;
  tcp_nopush on;
  access_log off;
  ${temporary.map((name) => `${name}_temp_path ${path.join(directory, name)};`).join('\n  ')}
  server {
    listen ${node.ipv4}:${PORT};
    root ${root};
  }
}
`
}

async function link(name: string, target: string): Promise<void> {
  try {
    await symlink(target, name)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  }
}
