import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { Agent, type Dispatcher, request } from 'undici'
import { RegistryUnreachableError } from './registry-unreachable.ts'

/** Connections to one host. */
const MAX_CONNECTIONS = 32
const CONNECT_TIMEOUT_MS = 5_000
/** From the request's end to the answer's head. */
const HEADERS_TIMEOUT_MS = 30_000
/** Between two pieces of a body. */
const BODY_TIMEOUT_MS = 30_000
const MAX_REDIRECTS = 10

/** How connections are made, where the usual way will not do. */
export interface ConnectionOptions {
  /** Resolves names. @default dns.lookup */
  readonly lookup?: LookupFunction
  /** Looks at each URL before anything is sent there, redirects and token servers included. It throws to refuse one. */
  readonly check?: (url: URL) => void
  /** From a request's end to the answer's head. @default 30000 */
  readonly headersTimeoutMs?: number
  /** Between two pieces of a body. @default 30000 */
  readonly bodyTimeoutMs?: number
}

/** A request of any kind. */
export interface HttpRequest {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly url: URL
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | Readable
  readonly signal?: AbortSignal | undefined
}

/** An answer whose body must be read or dropped. */
export interface HttpAnswer {
  readonly status: number
  /** Names in lower case; the first value where there are several. */
  readonly headers: Readonly<Record<string, string | undefined>>
  readonly body: Dispatcher.ResponseData['body']
  /** Where the answer came from after redirects. */
  readonly url: URL
}

/**
 * HTTP as a registry client needs it. Undici, because it bounds connections per host and hands bodies on without
 * copying; redirects are followed here, so that credentials never go to another host.
 */
export class Http {
  readonly #agent: Agent
  readonly #userAgent: string
  readonly #check: (url: URL) => void

  constructor(init: {
    readonly userAgent: string
    readonly caBundle?: string | undefined
    readonly connection?: ConnectionOptions | undefined
  }) {
    const { bodyTimeoutMs, check, headersTimeoutMs, lookup } = init.connection ?? {}
    this.#userAgent = init.userAgent
    this.#check = check ?? (() => undefined)
    this.#agent = new Agent({
      connections: MAX_CONNECTIONS,
      headersTimeout: headersTimeoutMs ?? HEADERS_TIMEOUT_MS,
      bodyTimeout: bodyTimeoutMs ?? BODY_TIMEOUT_MS,
      connect: {
        timeout: CONNECT_TIMEOUT_MS,
        ...(lookup === undefined ? {} : { lookup }),
        ...(init.caBundle === undefined ? {} : { ca: init.caBundle })
      }
    })
  }

  /**
   * Sends a request, follows redirects of GET and HEAD.
   *
   * @throws RegistryUnreachableError, or the signal's reason
   */
  async send(init: HttpRequest): Promise<HttpAnswer> {
    let { url } = init
    let headers: Record<string, string> = { 'user-agent': this.#userAgent, ...init.headers }
    for (let redirects = 0; ; redirects++) {
      const answer = await this.#sendOnce({ ...init, url, headers })
      const location = answer.headers.location
      const followed = (init.method === 'GET' || init.method === 'HEAD') && answer.status >= 300 && answer.status < 400
      if (!followed || location === undefined || answer.status === 304) return answer
      await answer.body.dump()
      if (redirects === MAX_REDIRECTS)
        throw new RegistryUnreachableError(url.host, `more than ${MAX_REDIRECTS} redirects`)
      const next = URL.parse(location, url.href)
      if (next === null || !/^https?:$/.test(next.protocol)) {
        throw new RegistryUnreachableError(url.host, 'it redirects to something that is no http URL')
      }
      if (next.host !== url.host || next.protocol !== url.protocol) {
        const { authorization: _dropped, ...others } = headers
        headers = others
      }
      url = next
    }
  }

  async #sendOnce(init: HttpRequest): Promise<HttpAnswer> {
    const { url, method, signal } = init
    this.#check(url)
    try {
      const answer = await request(url, {
        method,
        dispatcher: this.#agent,
        headers: { ...init.headers },
        ...(init.body === undefined ? {} : { body: init.body }),
        ...(signal === undefined ? {} : { signal })
      })
      const headers: Record<string, string | undefined> = {}
      for (const [name, value] of Object.entries(answer.headers))
        headers[name] = Array.isArray(value) ? value[0] : value
      return { status: answer.statusCode, headers, body: answer.body, url }
    } catch (cause) {
      signal?.throwIfAborted()
      const why = cause instanceof Error ? cause.message || cause.name : String(cause)
      throw new RegistryUnreachableError(url.host, why, { cause })
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

/** A body of bounded size as bytes. @throws RegistryUnreachableError when it is larger */
export async function readBody(answer: HttpAnswer, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = []
  let length = 0
  for await (const part of answer.body as AsyncIterable<Buffer>) {
    length += part.length
    if (length > maxBytes) {
      answer.body.destroy()
      throw new RegistryUnreachableError(answer.url.host, `its answer has more than ${maxBytes} bytes`)
    }
    parts.push(part)
  }
  return Buffer.concat(parts)
}
