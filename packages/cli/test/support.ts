import { createHash } from 'node:crypto'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Descriptor, type Digest, digestOf } from '@shoal/oci'
import type { CommandContext } from '../src/commands/command.ts'
import { main } from '../src/main.ts'

/** Runs `shoal` in this process and keeps what it wrote. */
export async function runShoal(
  argv: readonly string[],
  options: { files?: Record<string, string>; environment?: Record<string, string>; signal?: AbortSignal } = {}
): Promise<{ code: number; stdout: string; stderr: string }> {
  const written = { stdout: '', stderr: '' }
  const context: CommandContext = {
    stdout: {
      write: (text) => {
        written.stdout += text
      }
    },
    stderr: {
      write: (text) => {
        written.stderr += text
      }
    },
    environment: options.environment ?? {},
    signal: options.signal ?? new AbortController().signal,
    async readFile(path) {
      const text = options.files?.[path]
      if (text !== undefined) return text
      throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' })
    }
  }
  const code = await main(argv, context)
  return { code, ...written }
}

/** The URL of a port of this machine where nothing listens. */
export async function deafUrl(): Promise<string> {
  const mirror = new FakeMirror()
  const url = await mirror.start()
  await mirror.stop()
  return url
}

/** A blob of a test image. */
export function blob(text: string, mediaType = 'application/vnd.oci.image.layer.v1.tar') {
  const bytes = Buffer.from(text)
  const descriptor: Descriptor = { mediaType, digest: digestOf(bytes), size: bytes.length }
  return { bytes, descriptor }
}

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
export const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json'

/** An image of two layers and a config, as its registry has it. */
export function tinyImage(name: string) {
  const config = blob(`{"config":"${name}"}`, 'application/vnd.oci.image.config.v1+json')
  const layers = [blob(`first layer of ${name}`), blob(`second layer of ${name} `.repeat(1000))]
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: config.descriptor,
    layers: layers.map(({ descriptor }) => descriptor)
  })
  const manifest = blob(text, MANIFEST_TYPE)
  return { manifest, blobs: [config, ...layers] }
}

/** A mirror that serves what it was given, and can be made to misbehave. */
export class FakeMirror {
  readonly requests: string[] = []
  readonly manifests = new Map<string, { mediaType: string; bytes: Buffer }>()
  readonly blobs = new Map<string, Buffer>()
  #server: Server | undefined

  add(tag: string, image: ReturnType<typeof tinyImage>): void {
    this.addManifest(tag, image.manifest)
    for (const { bytes, descriptor } of image.blobs) this.blobs.set(descriptor.digest, bytes)
  }

  addManifest(tag: string, { bytes, descriptor }: ReturnType<typeof blob>): void {
    const manifest = { mediaType: descriptor.mediaType, bytes }
    this.manifests.set(tag, manifest).set(descriptor.digest, manifest)
  }

  /** Sends other bytes of the same length for a digest. */
  corrupt(digest: Digest): void {
    const bytes = Buffer.from(this.blobs.get(digest) ?? '')
    bytes[0] = (bytes[0] ?? 0) ^ 1
    this.blobs.set(digest, bytes)
  }

  async start(): Promise<string> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://mirror')
      this.requests.push(`${request.method} ${url.pathname}${url.search}`)
      const [, , , , kind, reference = ''] = url.pathname.split('/')
      const manifest = kind === 'manifests' ? this.manifests.get(reference) : undefined
      const bytes = manifest?.bytes ?? (kind === 'blobs' ? this.blobs.get(reference) : undefined)
      if (bytes === undefined) {
        response.writeHead(404, { 'content-type': 'application/json' })
        response.end('{"errors":[{"code":"BLOB_UNKNOWN","message":"not here"}]}')
        return
      }
      const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
      const type = manifest?.mediaType ?? 'application/octet-stream'
      response.writeHead(200, {
        'content-type': type,
        'content-length': bytes.length,
        ...(manifest === undefined ? {} : { 'docker-content-digest': digest })
      })
      response.end(request.method === 'HEAD' ? undefined : bytes)
    })
    this.#server = server
    const { promise, resolve } = Promise.withResolvers<void>()
    server.listen(0, '127.0.0.1', resolve)
    await promise
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server?.closeAllConnections()
    const { promise, resolve } = Promise.withResolvers<void>()
    if (this.#server === undefined) resolve()
    else this.#server.close(() => resolve())
    await promise
  }
}
