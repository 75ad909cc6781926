import { createHash } from 'node:crypto'

/** What a request came to. `status` 0: the connection broke, and nobody knows. */
export interface Outcome {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

const TIMEOUT_MS = 60_000

/** A client of a registry's HTTP interface that takes every answer as it is, a broken connection included. */
export class RegistryHttp {
  /** May change: a registry that is started again has another port. */
  url: string
  readonly #authorization: string

  constructor(url: string, credentials: string) {
    this.url = url
    this.#authorization = `Basic ${Buffer.from(credentials).toString('base64')}`
  }

  async request(
    method: string,
    path: string,
    body?: Uint8Array,
    headers: Record<string, string> = {}
  ): Promise<Outcome> {
    try {
      const response = await fetch(`${this.url}${path}`, {
        method,
        headers: { authorization: this.#authorization, ...headers },
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        ...(body === undefined ? {} : { body: new Uint8Array(body) })
      })
      return { status: response.status, headers: response.headers, body: Buffer.from(await response.arrayBuffer()) }
    } catch (error) {
      if (!(error instanceof Error)) throw error
      return { status: 0, headers: new Headers(), body: Buffer.from(String(error.cause ?? error)) }
    }
  }

  /** Push a blob in one request. */
  async pushBlob(repository: string, bytes: Uint8Array): Promise<Outcome> {
    return await this.request('POST', `/v2/${repository}/blobs/uploads/?digest=${sha256(bytes)}`, bytes)
  }

  async putManifest(repository: string, reference: string, bytes: Uint8Array, mediaType: string): Promise<Outcome> {
    return await this.request('PUT', `/v2/${repository}/manifests/${reference}`, bytes, { 'content-type': mediaType })
  }
}

export function sha256(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** What went wrong, for an assertion. */
export function described(what: string, { body, status }: Outcome): string {
  return `${what}: ${status} ${body.toString('utf8').slice(0, 300)}`
}
