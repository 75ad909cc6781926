import { createHash, randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type LocalMesh, startLocalMesh } from '@shoal/cli'
import { type Digest, digestOf, MEDIA_TYPES, parseManifest, RegistryClient } from '@shoal/oci'
import { type Logger, silentLogger } from '@shoal/swarm'
import { waitFor } from './deadline.ts'
import { FaultProxy } from './fault-proxy.ts'
import { ManagedProcess } from './process.ts'

const START_DEADLINE_MS = 15_000
/** Blobs that a runtime pulls at a time. */
const PULLED_AT_ONCE = 3

/** How a site is made. */
export interface UpstreamSiteOptions {
  readonly agents: number
  /** Of one connection to the upstream. */
  readonly bytesPerSecond?: number
  readonly tagTtlMs?: number
  readonly logger?: Logger
}

/** An image at the upstream. */
export interface UpstreamImage {
  readonly repository: string
  readonly tag: string
  readonly digest: Digest
  /** Config and layers. */
  readonly blobs: readonly { readonly digest: Digest; readonly size: number }[]
  /** Bytes of the manifest and all blobs. */
  readonly bytes: number
}

/** A docker-registry with a fault proxy before it, as the upstream `docker.io` of a Shoal registry with agents, on loopback. */
export class UpstreamSite {
  readonly upstream: FaultProxy
  readonly mesh: LocalMesh
  /** Of the docker-registry itself. */
  readonly origin: string
  readonly #directory: string
  readonly #registry: ManagedProcess

  static async start(options: UpstreamSiteOptions): Promise<UpstreamSite> {
    const directory = await mkdtemp(path.join(tmpdir(), 'shoal-upstream-'))
    const { process, url } = await startPlainRegistry(path.join(directory, 'docker-registry'))
    const { agents, bytesPerSecond, tagTtlMs } = options
    const upstream = await FaultProxy.start(url, bytesPerSecond === undefined ? {} : { bytesPerSecond })
    const address = { host: '127.0.0.1', port: 0 }
    const upstreams = [{ host: 'docker.io', url: upstream.url, ...(tagTtlMs === undefined ? {} : { tagTtlMs }) }]
    const mesh = await startLocalMesh(
      { directory, agents, listen: address, adminListen: address, logger: options.logger ?? silentLogger, upstreams },
      { signal: AbortSignal.timeout(START_DEADLINE_MS * 4) }
    )
    return new UpstreamSite(upstream, mesh, url, directory, process)
  }

  private constructor(
    upstream: FaultProxy,
    mesh: LocalMesh,
    origin: string,
    directory: string,
    registry: ManagedProcess
  ) {
    this.upstream = upstream
    this.mesh = mesh
    this.origin = origin
    this.#directory = directory
    this.#registry = registry
  }

  /** Base URLs of the agents' mirrors. */
  get mirrors(): string[] {
    return this.mesh.agents.map(({ process: { address } }) => `http://127.0.0.1:${address.port}`)
  }

  get registryUrl(): string {
    return `http://127.0.0.1:${this.mesh.registry.address.port}`
  }

  /** Resolves when the registry has found out that the upstream answers. */
  async untilUp(): Promise<void> {
    const isUp = async (): Promise<true | undefined> => {
      const { upstreams } = await this.mesh.registry.status()
      return upstreams.every(({ up }) => up) ? true : undefined
    }
    await waitFor(isUp, { deadlineMs: START_DEADLINE_MS * 2, what: 'the upstream being found to answer' })
  }

  /** Puts an image of random bytes there, past the fault proxy. */
  async push(repository: string, layerBytes: readonly number[]): Promise<UpstreamImage> {
    return await pushRandomImage(this.origin, repository, layerBytes)
  }

  async stop(): Promise<void> {
    await this.mesh.stop()
    await this.upstream.stop()
    await this.#registry.stop()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** Starts Debian's docker-registry on a free port of the loopback; with `proxyOf`, as a pull-through cache of its own. */
export async function startPlainRegistry(
  directory: string,
  proxyOf?: string
): Promise<{ process: ManagedProcess; url: string }> {
  await mkdir(directory, { recursive: true })
  const port = await freePort()
  const configuration = path.join(directory, 'config.yml')
  // JSON is YAML.
  await writeFile(
    configuration,
    JSON.stringify({
      version: '0.1',
      log: { level: 'error', accesslog: { disabled: true } },
      storage: { filesystem: { rootdirectory: path.join(directory, 'data') } },
      http: { addr: `127.0.0.1:${port}` },
      ...(proxyOf === undefined ? {} : { proxy: { remoteurl: proxyOf } })
    })
  )
  const process = await ManagedProcess.spawn(['docker-registry', 'serve', configuration], { name: 'docker-registry' })
  const url = `http://127.0.0.1:${port}`
  const client = new RegistryClient({ url, attempts: 1 })
  await waitFor(
    async () => {
      if (!process.running) throw new Error(`docker-registry ended:\n${process.tail}`)
      return await client.ping().then(
        () => true,
        () => undefined
      )
    },
    { deadlineMs: START_DEADLINE_MS, what: 'docker-registry answering' }
  )
  await client.close()
  return { process, url }
}

/** Pushes an image with layers of random bytes. */
export async function pushRandomImage(
  url: string,
  repository: string,
  layerBytes: readonly number[]
): Promise<UpstreamImage> {
  const client = new RegistryClient({ url })
  const tag = '1'
  try {
    const config = Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', rootfs: {}, id: randomBytes(8) }))
    const contents = [config, ...layerBytes.map((bytes) => randomBytes(bytes))]
    const blobs = contents.map((bytes) => ({ digest: digestOf(bytes), size: bytes.length }))
    for (const [index, bytes] of contents.entries()) {
      const digest = blobs[index]?.digest ?? digestOf(bytes)
      await client.pushBlob(repository, digest, bytes.length, async function* () {
        yield bytes
      })
    }
    const [first, ...layers] = blobs
    const manifest = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.ociManifest,
        config: { mediaType: MEDIA_TYPES.ociConfig, ...first },
        layers: layers.map((layer) => ({ mediaType: MEDIA_TYPES.ociLayer, ...layer }))
      })
    )
    const digest = await client.putManifest(repository, tag, manifest, MEDIA_TYPES.ociManifest)
    const bytes = blobs.reduce((sum, { size }) => sum + size, manifest.length)
    return { repository, tag, digest, blobs, bytes }
  } finally {
    await client.close()
  }
}

/**
 * Pulls an image as a runtime does: its tag by HEAD, its manifest by digest, three blobs at a time; all of it is checked
 * and thrown away.
 *
 * @param ns the registry that is meant, of a mirror
 * @throws Error when something is wrong or missing
 */
export async function pullImage(url: string, image: UpstreamImage, ns?: string): Promise<void> {
  const client = new RegistryClient({ url, attempts: 1 })
  const options = ns === undefined ? {} : { ns }
  const { repository, tag } = image
  try {
    const head = await client.headManifest(repository, tag, options)
    if (head?.digest !== image.digest) throw new Error(`${repository}:${tag} is ${head?.digest}, not ${image.digest}`)
    const manifest = await client.getManifest(repository, head.digest, options)
    if (manifest === undefined) throw new Error(`${repository} has no manifest ${head.digest}`)
    const parsed = parseManifest(manifest.bytes)
    if (parsed.kind !== 'image') throw new Error(`${head.digest} is no image`)
    const waiting = [parsed.config, ...parsed.layers]
    const worker = async (): Promise<void> => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        await pullBlob(client, repository, next.digest, options)
      }
    }
    await Promise.all(Array.from({ length: PULLED_AT_ONCE }, worker))
  } finally {
    await client.close()
  }
}

async function pullBlob(
  client: RegistryClient,
  repository: string,
  digest: Digest,
  options: { ns?: string }
): Promise<void> {
  const blob = await client.getBlob(repository, digest, options)
  if (blob === undefined) throw new Error(`${repository} has no blob ${digest}`)
  const hash = createHash('sha256')
  for await (const bytes of blob.body) hash.update(bytes)
  const got = `sha256:${hash.digest('hex')}`
  if (got !== digest) throw new Error(`${digest} came as ${got}`)
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
