import { join } from 'node:path'
import type { LaneConfig, Logger } from '@shoal/swarm'
import { parseJoinToken } from '@shoal/swarm'
import { startAgent } from '../compose/agent-process.ts'
import type { RunningProcess } from '../compose/parts.ts'
import { type RegistryConfig, type RegistryProcess, startRegistry } from '../compose/registry-process.ts'
import { withTeardown } from '../compose/teardown.ts'
import { CommandError } from '../errors.ts'
import { formatAddress, type HostPort, loopbackUrl } from '../values/address.ts'

const LOOPBACK: HostPort = { host: '127.0.0.1', port: 0 }
const LANE: LaneConfig = { listen: LOOPBACK, encryption: 'tls' }
/** How long agents may take to be admitted by a registry in the same process. */
const ADMISSION_TIMEOUT_MS = 30_000
const ADMISSION_POLL_MS = 50
/** Agents of a local mesh keep all that they pull. */
const LOCAL_CACHE_BYTES = 2 ** 40

/** A registry and agents in this process. */
export interface LocalMesh {
  readonly registry: RegistryProcess
  readonly agents: readonly { readonly name: string; readonly process: RunningProcess }[]
  stop(): Promise<void>
}

export interface LocalMeshInit {
  readonly directory: string
  readonly agents: number
  readonly listen: HostPort
  readonly adminListen: HostPort
  /** Registries whose images the registry caches. @default [] */
  readonly upstreams?: RegistryConfig['upstreams']
  readonly logger: Logger
}

/**
 * Starts a mesh on the loopback, each process with a data folder of its own under `directory`, and waits until all agents are
 * admitted.
 */
export async function startLocalMesh(init: LocalMeshInit, options: { signal: AbortSignal }): Promise<LocalMesh> {
  const { directory, logger } = init
  return await withTeardown(async (teardown) => {
    const registry = await startRegistry({
      directory: join(directory, 'registry'),
      listen: init.listen,
      p2pListen: LOOPBACK,
      lane: LANE,
      adminListen: init.adminListen,
      anonymous: 'pull',
      zone: '',
      uploadRate: undefined,
      upstreams: init.upstreams ?? [],
      logger: logger.child({ process: 'registry' })
    })
    teardown.add('registry', () => registry.stop())
    const names = Array.from({ length: init.agents }, (_, index) => `agent-${index + 1}`)
    const agents = await Promise.all(
      names.map(async (name) => {
        const process = await startAgent({
          directory: join(directory, name),
          registryUrl: loopbackUrl(registry.address),
          registryNames: [`localhost:${registry.address.port}`],
          joinToken: parseJoinToken(registry.joinToken),
          listen: LOOPBACK,
          p2pListen: LOOPBACK,
          lane: LANE,
          adminListen: LOOPBACK,
          zone: '',
          cacheBytes: LOCAL_CACHE_BYTES,
          uploadRate: undefined,
          downloadRate: undefined,
          logger: logger.child({ process: name })
        })
        teardown.add(name, () => process.stop())
        return { name, process }
      })
    )
    await Promise.all(agents.map(({ name, process }) => untilReady(name, process, options.signal)))
    return { registry, agents, stop: () => teardown.run() }
  })
}

async function untilReady(name: string, process: RunningProcess, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + ADMISSION_TIMEOUT_MS
  for (let reasons = process.notReady(); reasons.length > 0; reasons = process.notReady()) {
    signal.throwIfAborted()
    if (performance.now() > deadline) {
      throw new CommandError(`${name} (${formatAddress(process.address)}) is not ready: ${reasons.join('; ')}`)
    }
    const { promise, resolve } = Promise.withResolvers<void>()
    setTimeout(resolve, ADMISSION_POLL_MS)
    await promise
  }
}
