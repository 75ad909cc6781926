import { lookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { type ByteRange, parseContentRange } from '@shoal/oci'
import { Agent, type Dispatcher, request } from 'undici'
import { AddressRefusedError, isPublicAddress, publicOnly } from './public-address.ts'

/** Which addresses layers may be fetched from. */
export type ForeignAddresses = 'public' | 'any'

/** Connections to one host. */
const CONNECTIONS = 4
const CONNECT_TIMEOUT_MS = 10_000
/** From the request's end to the answer's head. */
const HEADERS_TIMEOUT_MS = 30_000
/** Between two pieces of a body. */
const BODY_TIMEOUT_MS = 30_000
/** Redirects that one request follows. */
export const FOREIGN_REDIRECTS_MAX = 5

/** What a fetcher is made with. */
export interface ForeignFetcherInit {
  readonly addresses: ForeignAddresses
  /** @default dns.lookup */
  readonly lookup?: LookupFunction
}

/** Somewhere said no, or what it said cannot be used. */
export class ForeignFetchError extends Error {
  override readonly name = 'ForeignFetchError'
  readonly code = 'FOREIGN_FETCH'
}

/**
 * Reads URLs that stand in manifests, which means URLs that anybody who may push can choose. So it takes http and https
 * only, connects to addresses that the operator allows, sends no credentials, and checks each redirect like the first
 * URL.
 */
export class ForeignFetcher {
  readonly #agent: Agent
  readonly #addresses: ForeignAddresses

  constructor(init: ForeignFetcherInit) {
    const { addresses, lookup: resolve = lookup } = init
    this.#addresses = addresses
    this.#agent = new Agent({
      connections: CONNECTIONS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      bodyTimeout: BODY_TIMEOUT_MS,
      connect: { timeout: CONNECT_TIMEOUT_MS, lookup: addresses === 'any' ? resolve : publicOnly(resolve) }
    })
  }

  /**
   * The bytes from `range.start` on of something that has `range.end` bytes. It is up to the reader to count them and to
   * check what they are.
   *
   * @throws ForeignFetchError, AddressRefusedError, what undici throws, the signal's reason
   */
  async *read(text: string, range: ByteRange, signal: AbortSignal): AsyncGenerator<Uint8Array, void, void> {
    const { body, headers, statusCode } = await this.#answer(text, range, signal)
    try {
      const skip = offsetOf(statusCode, headers, range)
      let position = 0
      for await (const piece of body as AsyncIterable<Uint8Array>) {
        const start = Math.max(0, skip - position)
        position += piece.length
        if (start < piece.length) yield piece.subarray(start)
      }
    } finally {
      drop(body)
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #answer(text: string, range: ByteRange, signal: AbortSignal): Promise<Dispatcher.ResponseData> {
    // Some servers compress whatever they can, and the digest is of the bytes as they are.
    const headers: Record<string, string> = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'shoal' }
    if (range.start > 0) headers.range = `bytes=${range.start}-`
    let url = this.#checked(text)
    for (let redirects = 0; redirects <= FOREIGN_REDIRECTS_MAX; redirects++) {
      const answer = await request(url, { dispatcher: this.#agent, headers, signal })
      const { location } = answer.headers
      if (answer.statusCode < 300 || answer.statusCode >= 400 || typeof location !== 'string') return answer
      drop(answer.body)
      url = this.#checked(location, url)
    }
    throw new ForeignFetchError(`more than ${FOREIGN_REDIRECTS_MAX} redirects`)
  }

  #checked(text: string, base?: URL): URL {
    const url = URL.parse(text, base?.href)
    if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
      throw new ForeignFetchError('only http and https are read')
    }
    // A password in a manifest is none of ours to send.
    if (url.username !== '' || url.password !== '') throw new ForeignFetchError('the URL has credentials in it')
    // A literal address is not looked up, so that it has to be looked at here.
    const host = url.hostname.replace(/^\[(.*)\]$/, '$1')
    if (this.#addresses === 'public' && isIP(host) !== 0 && !isPublicAddress(host)) throw new AddressRefusedError(host)
    return url
  }
}

/** Let go of a body that is not read to its end. That says so with an error, which nobody else would be there to hear. */
function drop(body: Dispatcher.ResponseData['body']): void {
  body.once('error', () => undefined).destroy()
}

/** How many bytes at the beginning of the body are before `range`. */
function offsetOf(status: number, headers: Dispatcher.ResponseData['headers'], range: ByteRange): number {
  const length = header(headers, 'content-length')
  if (header(headers, 'content-encoding') !== undefined) throw new ForeignFetchError('the answer is encoded')
  if (status === 200) {
    if (length !== undefined && Number(length) !== range.end) {
      throw new ForeignFetchError(`the answer has ${length} bytes, not ${range.end}`)
    }
    return range.start
  }
  const given = parseContentRange(header(headers, 'content-range'))
  const isRight = given?.range.start === range.start && (given.size === undefined || given.size === range.end)
  if (status !== 206 || !isRight) throw new ForeignFetchError(`the answer has the status ${status}`)
  return 0
}

function header(headers: Dispatcher.ResponseData['headers'], name: string): string | undefined {
  const value = headers[name]
  return typeof value === 'string' ? value : value?.[0]
}
