import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { waitFor } from '../../test/harness/deadline.ts'
import { FaultProxy } from '../../test/harness/fault-proxy.ts'
import { LocalRegistry } from '../../test/harness/local-registry.ts'
import { ManagedProcess } from '../../test/harness/process.ts'
import { shoalCommand } from '../../test/harness/shoal.ts'
import { pushRandomImage, startPlainRegistry, type UpstreamImage } from '../../test/harness/upstream-site.ts'

const START_DEADLINE_MS = 60_000

/** An upstream behind a link of a given rate, a Shoal registry that caches it, and agents: a process each, on loopback. */
export interface ProxyBenchSite {
  readonly upstream: FaultProxy
  /** Base URLs of the agents' mirrors. */
  readonly mirrors: readonly string[]
  /** Puts an image of random bytes to the upstream, past its link. */
  push(repository: string, layerBytes: readonly number[]): Promise<UpstreamImage>
  stop(): Promise<void>
}

/** Starts a site, and waits until all agents are in the mesh. */
export async function startProxySite(agents: number, bytesPerSecond: number): Promise<ProxyBenchSite> {
  const directory = await mkdtemp(path.join(tmpdir(), 'shoal-proxy-bench-'))
  const origin = await startPlainRegistry(path.join(directory, 'docker-registry'))
  const upstream = await FaultProxy.start(origin.url, { bytesPerSecond })
  const registry = new LocalRegistry(path.join(directory, 'registry'), ['--upstream', `docker.io=${upstream.url}`])
  await registry.start()
  const started = await Promise.all(
    Array.from({ length: agents }, (_, index) => startAgent(path.join(directory, `agent-${index}`), registry))
  )
  return {
    upstream,
    mirrors: started.map(({ mirror }) => mirror),
    push: async (repository, layerBytes) => await pushRandomImage(origin.url, repository, layerBytes),
    async stop() {
      await Promise.all(started.map(({ process }) => process.stop()))
      await registry.stop()
      await upstream.stop()
      await origin.process.stop()
      await rm(directory, { recursive: true, force: true })
    }
  }
}

async function startAgent(
  directory: string,
  registry: LocalRegistry
): Promise<{ mirror: string; process: ManagedProcess }> {
  const anyPorts = ['listen', 'p2p-listen', 'lane-listen', 'admin-listen'].flatMap((name) => [
    `--${name}`,
    '127.0.0.1:0'
  ])
  const token = path.join(registry.directory, 'join-token')
  const named = ['--data', directory, '--registry', registry.http.url, '--join-token-file', token]
  const process = await ManagedProcess.spawn(shoalCommand('agent', ...named, ...anyPorts, '--log-format', 'json'), {
    name: 'shoal agent'
  })
  const [, mirror] = await process.waitForOutput(/"mirror":"([^"]+)"/, START_DEADLINE_MS)
  const [, admin] = await process.waitForOutput(/"admin":"([^"]+)"/, START_DEADLINE_MS)
  const isReady = async (): Promise<true | undefined> => {
    const { status } = await fetch(`http://${admin}/readyz`)
    return status === 200 ? true : undefined
  }
  await waitFor(isReady, { deadlineMs: START_DEADLINE_MS, what: 'an agent becoming ready' })
  return { mirror: `http://${mirror}`, process }
}
