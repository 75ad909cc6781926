import { Readable } from 'node:stream'
import { type ByteRange, parseContentRange } from '../byte-range.ts'
import { isRecord } from '../descriptor.ts'
import { type Digest, digestAlgorithm, digestOf, isDigest, parseDigest } from '../digest.ts'
import { isOciErrorCode, OciError, parseErrorEnvelope } from '../errors.ts'
import { manifestMediaType } from '../manifest.ts'
import { MANIFEST_ACCEPT } from '../media-types.ts'
import { Authorizer, type Credentials } from './authorizer.ts'
import { type OpenedBlob, resumingBody, skipBytes, strongTag } from './blob-body.ts'
import { type ConnectionOptions, Http, type HttpAnswer, type HttpRequest, readBody } from './http.ts'
import { RegistryUnreachableError } from './registry-unreachable.ts'
import { backoffMs, DEFAULT_ATTEMPTS, isTransient, MAX_RETRY_AFTER_MS, pause, retryAfterMs } from './retry.ts'

/** Larger manifests are refused (OCI Distribution, "Pushing Manifests"). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024
const MAX_ERROR_BYTES = 64 * 1024
const MAX_TAGS_BYTES = 16 * 1024 * 1024
const MAX_TAG_PAGES = 1_000

/** What a client is made of. */
export interface RegistryClientInit {
  /** `http(s)://host[:port]` */
  readonly url: string
  readonly credentials?: Credentials | undefined
  /** PEM of the authorities to trust instead of the system's. */
  readonly caBundle?: string | undefined
  readonly connection?: ConnectionOptions | undefined
  /** @default 'shoal' */
  readonly userAgent?: string
  /** Tries of a request that may be repeated. @default 4 */
  readonly attempts?: number
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: () => number
  /** A number in [0, 1), for the back-off. @default Math.random */
  readonly random?: () => number
}

/** How a call is bounded and addressed. */
export interface ClientOptions {
  readonly signal?: AbortSignal
  /** The registry that is meant, when the client speaks to a mirror. */
  readonly ns?: string
}

/** How a manifest is asked for. */
export interface ManifestOptions extends ClientOptions {
  /** `Accept` header. @default every kind of manifest that we understand */
  readonly accept?: string
}

/** A manifest, byte for byte. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
}

/** What is known of a manifest without its bytes. */
export type ManifestHead = Omit<FetchedManifest, 'bytes'> & {
  readonly size: number
  /** The registry says that this is what it knew once, and not what holds now (`Warning: 110`). */
  readonly stale?: boolean
}

/** A blob, or a part of one. */
export interface FetchedBlob {
  /** Bytes of the whole blob. */
  readonly size: number
  readonly range: ByteRange
  /** Exactly the bytes of `range`: it goes on by itself when a connection breaks, and throws when it cannot. */
  readonly body: AsyncIterable<Uint8Array>
  /** What the registry calls this state of the blob, if it has a strong name for it (RFC 9110, 8.8.3). */
  readonly etag: string | undefined
}

/** How a blob is asked for. */
export interface BlobOptions extends ClientOptions {
  readonly range?: ByteRange
  /** The `etag` of an earlier answer: a part of anything else is not wanted (RFC 9110, 13.1.5). */
  readonly ifRange?: string | undefined
}

type Scope = 'pull' | 'pull,push'

/** A client of one registry, whoever made it. Not-found is `undefined`; every other refusal is an {@link OciError}. */
export class RegistryClient {
  readonly url: URL
  readonly #http: Http
  readonly #authorizer: Authorizer
  readonly #attempts: number
  readonly #now: () => number
  readonly #random: () => number

  /** @throws OciError `NAME_INVALID` when the URL is not one of a registry */
  constructor(init: RegistryClientInit) {
    if (!URL.canParse(init.url) || !/^https?:$/.test(new URL(init.url).protocol)) {
      throw new OciError('NAME_INVALID', `"${init.url}" is not a registry's URL; it looks like http://host:5000`)
    }
    this.url = new URL(init.url)
    this.#now = init.now ?? Date.now
    this.#random = init.random ?? Math.random
    this.#attempts = init.attempts ?? DEFAULT_ATTEMPTS
    this.#http = new Http({
      userAgent: init.userAgent ?? 'shoal',
      caBundle: init.caBundle,
      connection: init.connection
    })
    this.#authorizer = new Authorizer(this.#http, init.credentials, this.#now)
  }

  /** `host[:port]` */
  get host(): string {
    return this.url.host
  }

  /** Asks whether this is a registry that lets us in. */
  async ping(options: ClientOptions = {}): Promise<void> {
    await this.#read('/v2/', '', options, MAX_ERROR_BYTES)
  }

  async headManifest(
    repository: string,
    reference: string,
    options: ManifestOptions = {}
  ): Promise<ManifestHead | undefined> {
    const answer = await this.#send(
      { method: 'HEAD', headers: { accept: options.accept ?? MANIFEST_ACCEPT } },
      `/v2/${repository}/manifests/${reference}`,
      pullScope(repository),
      options
    )
    await answer.body.dump()
    if (answer.status === 404) return undefined
    if (answer.status !== 200) throw await this.#refusal(answer)
    const digest = answer.headers['docker-content-digest'] ?? reference
    const size = Number(answer.headers['content-length'])
    const mediaType = answer.headers['content-type']
    if (isDigest(digest) && Number.isSafeInteger(size) && mediaType !== undefined) {
      return { digest, size, mediaType, ...(answer.headers.warning?.startsWith('110') === true ? { stale: true } : {}) }
    }
    // A registry may leave these headers out; the manifest itself says the same.
    const manifest = await this.getManifest(repository, reference, options)
    return manifest && { digest: manifest.digest, mediaType: manifest.mediaType, size: manifest.bytes.length }
  }

  /** @throws OciError `MANIFEST_INVALID` when the bytes are not what the digest says, or too many */
  async getManifest(
    repository: string,
    reference: string,
    options: ManifestOptions = {}
  ): Promise<FetchedManifest | undefined> {
    const path = `/v2/${repository}/manifests/${reference}`
    const found = await this.#read(path, pullScope(repository), options, MAX_MANIFEST_BYTES, {
      accept: options.accept ?? MANIFEST_ACCEPT
    })
    if (found === undefined) return undefined
    const { bytes, headers } = found
    const claimed = headers['docker-content-digest']
    const expected = isDigest(reference) ? reference : claimed !== undefined && isDigest(claimed) ? claimed : undefined
    const digest = digestOf(bytes, expected === undefined ? 'sha256' : digestAlgorithm(expected))
    if (expected !== undefined && digest !== expected) {
      throw new OciError('MANIFEST_INVALID', `${this.host} sent ${digest} for ${repository} ${expected}`)
    }
    return { digest, bytes, mediaType: headers['content-type']?.split(';')[0]?.trim() ?? manifestMediaType(bytes) }
  }

  async headBlob(
    repository: string,
    digest: Digest,
    options: ClientOptions = {}
  ): Promise<{ size: number } | undefined> {
    const path = `/v2/${repository}/blobs/${digest}`
    const answer = await this.#send({ method: 'HEAD' }, path, pullScope(repository), options)
    await answer.body.dump()
    if (answer.status === 404) return undefined
    const size = Number(answer.headers['content-length'])
    if (answer.status !== 200) throw await this.#refusal(answer)
    if (!Number.isSafeInteger(size))
      throw new RegistryUnreachableError(this.host, 'it does not say how large a blob is')
    return { size }
  }

  /** Opens a blob, or a part of it. The bytes are not hashed here. */
  async getBlob(repository: string, digest: Digest, options: BlobOptions = {}): Promise<FetchedBlob | undefined> {
    const path = `/v2/${repository}/blobs/${digest}`
    const open = (range: ByteRange | undefined) => this.#openBlob(path, repository, range, options)
    const opened = await open(options.range)
    if (opened === undefined) return undefined
    const { size, range } = opened
    const resume = { host: this.host, open, attempts: this.#attempts, random: this.#random, signal: options.signal }
    return { size, range, body: resumingBody(opened, resume), etag: opened.etag }
  }

  async #openBlob(
    path: string,
    repository: string,
    range: ByteRange | undefined,
    options: BlobOptions
  ): Promise<OpenedBlob | undefined> {
    const headers: Record<string, string> = { 'accept-encoding': 'identity' }
    if (range !== undefined) headers.range = `bytes=${range.start}-${range.end - 1}`
    if (range !== undefined && options.ifRange !== undefined) headers['if-range'] = options.ifRange
    const answer = await this.#send({ method: 'GET', headers }, path, pullScope(repository), options)
    if (answer.status === 404) {
      await answer.body.dump()
      return undefined
    }
    if (answer.status !== 200 && answer.status !== 206) throw await this.#refusal(answer)
    const partial = answer.status === 206 ? parseContentRange(answer.headers['content-range']) : undefined
    const size = answer.status === 206 ? partial?.size : Number(answer.headers['content-length'])
    if (size === undefined || !Number.isSafeInteger(size)) {
      answer.body.destroy()
      throw new RegistryUnreachableError(this.host, 'it does not say how large a blob is')
    }
    const got = partial?.range ?? { start: 0, end: size }
    const etag = strongTag(answer.headers.etag)
    if (range === undefined || (got.start === range.start && got.end <= range.end))
      return { size, range: got, body: answer.body, etag }
    if (got.start > range.start || got.end < Math.min(range.end, size)) {
      answer.body.destroy()
      throw new RegistryUnreachableError(this.host, 'it answered with another range than was asked for')
    }
    // A registry without ranges sends the whole blob; what comes before the range is dropped.
    const wanted = { start: range.start, end: Math.min(range.end, size) }
    return { size, range: wanted, body: skipBytes(answer.body, wanted.start - got.start), etag }
  }

  /**
   * Pushes a blob: asks whether it is there, then POST and PUT.
   *
   * @param open gives the bytes; called again when the push is tried again
   */
  async pushBlob(
    repository: string,
    digest: Digest,
    size: number,
    open: () => AsyncIterable<Uint8Array>,
    options: ClientOptions = {}
  ): Promise<'pushed' | 'existed'> {
    if ((await this.headBlob(repository, digest, options)) !== undefined) return 'existed'
    const start = await this.#send(
      { method: 'POST' },
      `/v2/${repository}/blobs/uploads/`,
      pushScope(repository),
      options
    )
    await start.body.dump()
    const location = start.headers.location
    if (start.status !== 202 || location === undefined) throw await this.#refusal(start)
    const url = new URL(location, start.url)
    url.searchParams.set('digest', digest)
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(size) }
    // The POST has just been let in, so a body that cannot be sent twice goes out with the same header.
    const answer = await this.#once(
      { method: 'PUT', url, headers, body: Readable.from(open()) },
      pushScope(repository),
      options
    )
    if (answer.status !== 201) throw await this.#refusal(answer)
    await answer.body.dump()
    return 'pushed'
  }

  async putManifest(
    repository: string,
    reference: string,
    bytes: Uint8Array,
    mediaType: string,
    options: ClientOptions = {}
  ): Promise<Digest> {
    const headers = { 'content-type': mediaType }
    const path = `/v2/${repository}/manifests/${reference}`
    const answer = await this.#send({ method: 'PUT', headers, body: bytes }, path, pushScope(repository), options)
    if (answer.status !== 201) throw await this.#refusal(answer)
    await answer.body.dump()
    return parseDigest(answer.headers['docker-content-digest'] ?? digestOf(bytes))
  }

  /** All tags, page by page. Empty when there is no such repository. */
  async listTags(repository: string, options: ClientOptions = {}): Promise<string[]> {
    const tags: string[] = []
    let path: string | undefined = `/v2/${repository}/tags/list`
    for (let page = 0; path !== undefined && page < MAX_TAG_PAGES; page++) {
      const found = await this.#read(path, pullScope(repository), options, MAX_TAGS_BYTES)
      if (found === undefined) break
      const body: unknown = JSON.parse(Buffer.from(found.bytes).toString('utf8'))
      const list = isRecord(body) && Array.isArray(body.tags) ? body.tags : []
      tags.push(...list.filter((tag): tag is string => typeof tag === 'string'))
      path = /<([^>]+)>\s*;\s*rel="?next"?/.exec(found.headers.link ?? '')?.[1]
    }
    return tags
  }

  /** A plain GET of a small document, for which one may have to be let into `repository`. Any status is an answer. */
  async get(
    path: string,
    options: ClientOptions & { maxBytes: number; repository?: string }
  ): Promise<{ status: number; headers: Readonly<Record<string, string | undefined>>; bytes: Uint8Array }> {
    const scope = options.repository === undefined ? '' : pullScope(options.repository)
    const answer = await this.#send({ method: 'GET' }, path, scope, options)
    return { status: answer.status, headers: answer.headers, bytes: await readBody(answer, options.maxBytes) }
  }

  /** Drops all connections. */
  async close(): Promise<void> {
    await this.#http.close()
  }

  async #read(
    path: string,
    scope: string,
    options: ClientOptions,
    maxBytes: number,
    headers: Record<string, string> = {}
  ): Promise<{ bytes: Uint8Array; headers: HttpAnswer['headers'] } | undefined> {
    const answer = await this.#send({ method: 'GET', headers }, path, scope, options)
    if (answer.status === 404) {
      await answer.body.dump()
      return undefined
    }
    if (answer.status !== 200) throw await this.#refusal(answer)
    return { bytes: await readBody(answer, maxBytes), headers: answer.headers }
  }

  /** Sends a request that may be repeated, until it is answered with something that another try would not change. */
  async #send(
    init: Omit<HttpRequest, 'url'>,
    path: string,
    scope: string,
    options: ClientOptions
  ): Promise<HttpAnswer> {
    const url = new URL(path, this.url)
    if (options.ns !== undefined) url.searchParams.set('ns', options.ns)
    for (let attempt = 1; ; attempt++) {
      let wait = backoffMs(attempt, this.#random)
      try {
        const answer = await this.#once({ ...init, url }, scope, options)
        if (!isTransient(answer.status) || attempt >= this.#attempts) return answer
        wait = Math.max(wait, retryAfterMs(answer.headers['retry-after'], this.#now()) ?? 0)
        if (wait > MAX_RETRY_AFTER_MS) return answer
        await answer.body.dump()
      } catch (error) {
        if (!(error instanceof RegistryUnreachableError) || attempt >= this.#attempts) throw error
      }
      await pause(wait, options.signal)
    }
  }

  /** Sends a request once, and once more with credentials when it is challenged. */
  async #once(init: HttpRequest, scope: string, options: ClientOptions): Promise<HttpAnswer> {
    const { signal } = options
    const known = this.#authorizer.header(scope)
    const authorized = (header: string | undefined): HttpRequest => ({
      ...init,
      signal,
      headers: { ...init.headers, ...(header === undefined ? {} : { authorization: header }) }
    })
    const answer = await this.#http.send(authorized(known))
    if (answer.status !== 401 || init.body instanceof Readable) return answer
    const header = await this.#authorizer.answer(scope, answer.headers['www-authenticate'], signal)
    if (header === undefined || header === known) return answer
    await answer.body.dump()
    return this.#http.send(authorized(header))
  }

  /** The error that an answer means. */
  async #refusal(answer: HttpAnswer): Promise<Error> {
    const text = await readBody(answer, MAX_ERROR_BYTES).then(
      (bytes) => bytes.toString('utf8'),
      () => ''
    )
    const [entry] = parseErrorEnvelope(text)
    const { status } = answer
    const retryAfter = retryAfterMs(answer.headers['retry-after'], this.#now())
    const what = `${this.host} answered with status ${status}${entry === undefined ? '' : `: ${entry.message || entry.code}`}`
    if (entry !== undefined && isOciErrorCode(entry.code))
      return new OciError(entry.code, what, { status, detail: entry.detail, retryAfterMs: retryAfter })
    if (status === 401) return new OciError('UNAUTHORIZED', `${what}; check the credentials`, { status })
    if (status === 403) return new OciError('DENIED', what, { status })
    if (status === 429) return new OciError('TOOMANYREQUESTS', what, { status, retryAfterMs: retryAfter })
    return new RegistryUnreachableError(this.host, `it answered with status ${status}`, { retryAfterMs: retryAfter })
  }
}

function pullScope(repository: string): string {
  return scopeOf(repository, 'pull')
}

function pushScope(repository: string): string {
  return scopeOf(repository, 'pull,push')
}

function scopeOf(repository: string, actions: Scope): string {
  return `repository:${repository}:${actions}`
}
