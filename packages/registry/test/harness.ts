import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ContentStore } from '@shoal/content'
import { type Digest, digestOf, MEDIA_TYPES } from '@shoal/oci'
import { createRegistry, type Registry, type RegistryInit } from '@shoal/registry'
import type { Logger, TransferMetrics } from '@shoal/swarm'
import { Registry as MetricsRegistry } from 'prom-client'
import { LevelMetadata } from '../src/level-metadata.ts'

export const PASSWORD = 'correct horse'

/** A line that was logged. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly data: object
  readonly message: string
}

/** A registry that listens on loopback, and what went on around it. */
export interface Harness {
  readonly registry: Registry
  /** Its data folder. */
  readonly directory: string
  /** Its blobs, unless it was given another store. */
  readonly store: ContentStore
  readonly metrics: MetricsRegistry
  readonly announced: Digest[]
  readonly lines: LogLine[]
  /** Payload bytes that were counted as sent to clients. */
  readonly sent: () => number
  /** The pull time in the metadata of a registry that is stopped. */
  readonly pulledAt: (repository: string, digest: Digest) => Promise<number | undefined>
  readonly port: number
  /** A request to this registry; the path begins with `/`. */
  readonly request: (path: string, init?: RequestInit & { duplex?: 'half' }) => Promise<Response>
}

/** Run a registry for one test. */
export async function startRegistry(t: TestContext, options: Partial<RegistryInit> = {}): Promise<Harness> {
  const harness = await prepareRegistry(t, options)
  await harness.registry.start()
  return harness
}

/** A registry for one test that is not started. */
export async function prepareRegistry(t: TestContext, options: Partial<RegistryInit> = {}): Promise<Harness> {
  const directory = await mkdtemp(join(tmpdir(), 'shoal-registry-'))
  const { privateKey } = generateKeyPairSync('ed25519')
  const store = await ContentStore.open({ directory: join(directory, 'content'), signer: privateKey })
  const announced: Digest[] = []
  const lines: LogLine[] = []
  const metrics = new MetricsRegistry()
  const transfer = countingTransfer()
  const registry = createRegistry({
    store,
    directory,
    listen: { host: '127.0.0.1', port: 0 },
    anonymous: 'push',
    adminPassword: PASSWORD,
    seeder: { announce: (digest) => announced.push(digest) },
    mesh: () => ({ peerId: 'peer', addresses: ['/ip4/127.0.0.1/tcp/1'] }),
    logger: recordingLogger(lines),
    metrics,
    transfer,
    ...options
  })
  t.after(async () => {
    await registry.stop()
    await store.close()
    await rm(directory, { recursive: true, force: true })
  })
  return {
    registry,
    directory,
    store,
    metrics,
    announced,
    lines,
    sent: () => transfer.totals().sent.client,
    pulledAt: async (repository, digest) => {
      const metadata = await LevelMetadata.open(join(directory, 'metadata'))
      try {
        return await metadata.pulledAt(repository, digest)
      } finally {
        await metadata.close()
      }
    },
    get port() {
      return registry.address.port
    },
    request: async (path, init) =>
      await fetch(`http://127.0.0.1:${registry.address.port}${path}`, { redirect: 'manual', ...init })
  }
}

/** Push a blob in one request, and give its digest. */
export async function pushBlob({ request }: Harness, name: string, bytes: Uint8Array): Promise<Digest> {
  const digest = digestOf(bytes)
  const response = await request(`/v2/${name}/blobs/uploads/?digest=${digest}`, { method: 'POST', body: copy(bytes) })
  if (response.status !== 201) throw new Error(`push of ${digest}: ${response.status} ${await response.text()}`)
  return digest
}

/** What an image may have beside its config and layers. */
export interface ImageExtras {
  readonly subject?: object
  readonly artifactType?: string
  readonly annotations?: Record<string, string>
}

/** The bytes of an image manifest with these blobs. */
export function imageManifest(config: Uint8Array, layers: readonly Uint8Array[], extras: ImageExtras = {}): Buffer {
  const descriptor = (mediaType: string, bytes: Uint8Array): object => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length
  })
  return Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: descriptor(MEDIA_TYPES.ociConfig, config),
      layers: layers.map((layer) => descriptor(MEDIA_TYPES.ociLayer, layer)),
      ...extras
    })
  )
}

/** Push an image with its blobs under a tag, and give its manifest. */
export async function pushImage(
  harness: Harness,
  name: string,
  tag: string,
  extras: ImageExtras = {}
): Promise<{ bytes: Buffer; digest: Digest }> {
  const config = Buffer.from(`{"tag":"${tag}"}`)
  const layer = Buffer.from(`layer of ${name}`)
  await pushBlob(harness, name, config)
  await pushBlob(harness, name, layer)
  const bytes = imageManifest(config, [layer], extras)
  const response = await putManifest(harness, name, tag, bytes)
  if (response.status !== 201) throw new Error(`push of ${name}:${tag}: ${response.status} ${await response.text()}`)
  return { bytes, digest: digestOf(bytes) }
}

/** PUT an image manifest. */
export async function putManifest(
  { request }: Harness,
  name: string,
  reference: string,
  bytes: Uint8Array,
  mediaType: string = MEDIA_TYPES.ociManifest
): Promise<Response> {
  return await request(`/v2/${name}/manifests/${reference}`, {
    method: 'PUT',
    body: copy(bytes),
    headers: { 'content-type': mediaType }
  })
}

/** The error code of an answer in the specification's envelope. */
export async function errorCode(response: Response): Promise<string> {
  const body: unknown = await response.json()
  const errors: unknown = typeof body === 'object' && body !== null ? Reflect.get(body, 'errors') : undefined
  const first: unknown = Array.isArray(errors) ? errors[0] : undefined
  const code: unknown = typeof first === 'object' && first !== null ? Reflect.get(first, 'code') : undefined
  return String(code)
}

/** The JSON of an answer, which the test believes to look like `T`. */
export async function json<T>(response: Response): Promise<T> {
  return JSON.parse(await response.text())
}

/** A body for `fetch`, whose types want bytes of their own. */
export function copy(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes)
}

export const basic = (password = PASSWORD, user = 'admin'): { authorization: string } => ({
  authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`
})

export function countingTransfer(): TransferMetrics {
  const totals = { received: { peer: 0, registry: 0, upstream: 0 }, sent: { peer: 0, client: 0 } }
  return {
    received: (from, bytes) => {
      totals.received[from] += bytes
    },
    sent: (to, _lane, bytes) => {
      totals.sent[to] += bytes
    },
    totals: () => totals
  }
}

function recordingLogger(lines: LogLine[]): Logger {
  const at =
    (level: LogLine['level']) =>
    (data: object, message: string): void => {
      lines.push({ level, data, message })
    }
  const logger: Logger = {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: () => logger
  }
  return logger
}
