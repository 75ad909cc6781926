import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES, parseByteRange } from '@shoal/oci'

/** What an upstream was asked. */
export interface AskedRequest {
  readonly method: string
  readonly path: string
  readonly range: string | undefined
  readonly authorization: string | undefined
}

/** Answers in place of the upstream; false leaves the request to it. */
export type Fault = (request: IncomingMessage, response: ServerResponse, upstream: FakeUpstream) => boolean

/** A registry elsewhere, in this process, that can be made to fail. */
export class FakeUpstream {
  readonly blobs = new Map<Digest, Buffer>()
  readonly manifests = new Map<string, { bytes: Buffer; mediaType: string }>()
  readonly requests: AskedRequest[] = []
  /** Looked at before every answer. */
  fault: Fault = () => false
  ranges = true
  url = ''

  static async start(t: TestContext): Promise<FakeUpstream> {
    const upstream = new FakeUpstream()
    const server = createServer((request, response) => upstream.#answer(request, response))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    })
    upstream.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    return upstream
  }

  /** Puts an image there. @returns its digest */
  image(repository: string, tag: string, layers: readonly Buffer[]): Digest {
    const config = Buffer.from(JSON.stringify({ tag, layers: layers.length }))
    for (const blob of [config, ...layers]) this.blobs.set(digestOf(blob), blob)
    const manifest = {
      schemaVersion: 2,
      mediaType: MEDIA_TYPES.ociManifest,
      config: { mediaType: MEDIA_TYPES.ociConfig, digest: digestOf(config), size: config.length },
      layers: layers.map((layer) => ({ mediaType: MEDIA_TYPES.ociLayer, digest: digestOf(layer), size: layer.length }))
    }
    return this.manifest(repository, tag, manifest, MEDIA_TYPES.ociManifest)
  }

  manifest(repository: string, tag: string, manifest: object, mediaType: string): Digest {
    const bytes = Buffer.from(JSON.stringify(manifest))
    const digest = digestOf(bytes)
    for (const reference of [tag, digest]) this.manifests.set(`${repository} ${reference}`, { bytes, mediaType })
    return digest
  }

  /** Requests for a path that contains `part`. */
  asked(part: string, method?: string): AskedRequest[] {
    return this.requests.filter((each) => each.path.includes(part) && (method === undefined || each.method === method))
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const { headers, method = '', url = '' } = request
    const path = decodeURIComponent(url)
    this.requests.push({ method, path, range: headers.range, authorization: headers.authorization })
    if (this.fault(request, response, this)) return
    const [, repository = '', kind = '', last = ''] = /^\/v2\/(.+)\/(blobs|manifests|tags)\/([^?]+)/.exec(path) ?? []
    if (kind === 'blobs') this.#sendBlob(request, response, this.blobs.get(last as Digest))
    else if (kind === 'tags') {
      const tags = [...this.manifests.keys()].filter((key) => key.startsWith(`${repository} `))
      send(response, 200, 'application/json', {
        name: repository,
        tags: tags.map((key) => key.split(' ')[1] ?? '').filter((tag) => !tag.includes(':'))
      })
    } else if (kind === 'manifests') {
      const found = this.manifests.get(`${repository} ${last}`)
      if (found === undefined) {
        send(response, 404, 'application/json', { errors: [{ code: 'MANIFEST_UNKNOWN' }] })
        return
      }
      const { bytes, mediaType } = found
      response.writeHead(200, {
        'content-type': mediaType,
        'content-length': bytes.length,
        'docker-content-digest': digestOf(bytes)
      })
      response.end(method === 'HEAD' ? undefined : bytes)
    } else if (path === '/v2/') send(response, 200, 'application/json', {})
    else send(response, 404, 'application/json', { errors: [{ code: 'UNSUPPORTED', message: path }] })
  }

  #sendBlob(request: IncomingMessage, response: ServerResponse, bytes: Buffer | undefined): void {
    if (bytes === undefined) {
      send(response, 404, 'application/json', { errors: [{ code: 'BLOB_UNKNOWN' }] })
      return
    }
    const range = this.ranges ? parseByteRange(request.headers.range, bytes.length) : 'whole'
    if (range === 'unsatisfiable') {
      send(response, 416, 'application/json', {})
      return
    }
    const { start, end } = range === 'whole' ? { start: 0, end: bytes.length } : range
    response.writeHead(range === 'whole' ? 200 : 206, {
      'content-length': end - start,
      etag: `"${digestOf(bytes)}"`,
      ...(range === 'whole' ? {} : { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` })
    })
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end))
  }
}

/** Answers with a small document. */
export function send(response: ServerResponse, status: number, type: string, body: object): void {
  response.writeHead(status, { 'content-type': type }).end(JSON.stringify(body))
}

/** Sends the first bytes of a blob, as if all of it were to come, and what `then` does afterwards. */
export function sendHead(
  response: ServerResponse,
  bytes: Buffer,
  sent: number,
  then: (response: ServerResponse) => void
): void {
  response.writeHead(200, { 'content-length': bytes.length, etag: `"${digestOf(bytes)}"` })
  response.write(bytes.subarray(0, sent), () => then(response))
}
