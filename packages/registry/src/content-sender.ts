import { type BlobSource, SendInterruptedError, sendBlob } from '@shoal/content'
import { type ByteRange, type Digest, formatContentRange, OciError, parseByteRange } from '@shoal/oci'
import type { Logger, TransferMetrics } from '@shoal/swarm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlobStore } from './blob-store.ts'

/** What content is sent with. */
export interface ContentSenderInit {
  readonly store: Pick<BlobStore, 'open' | 'stat'>
  readonly transfer: Pick<TransferMetrics, 'sent'>
  readonly logger: Logger
}

/** Something in the content store, as a client is to see it. */
export interface Content {
  readonly digest: Digest
  readonly mediaType: string
  /** Whether parts of it can be asked for. */
  readonly ranges: boolean
}

/** Answers GET and HEAD for what is in the content store (OCI distribution, "Pull"; RFC 9110, 13 and 14). */
export class ContentSender {
  readonly #init: ContentSenderInit

  constructor(init: ContentSenderInit) {
    this.#init = init
  }

  /**
   * Answer a request for `content`.
   *
   * @returns false when it is not in the store; nothing is answered then
   * @throws OciError with status 416 for a range that the content does not have
   */
  async send(request: FastifyRequest, reply: FastifyReply, content: Content): Promise<boolean> {
    const { store } = this.#init
    const info = await store.stat(content.digest)
    if (info === undefined) return false
    const etag = `"${content.digest}"`
    reply.header('docker-content-digest', content.digest).header('etag', etag)
    if (content.ranges) reply.header('accept-ranges', 'bytes')
    if (matches(request.headers['if-none-match'], etag)) {
      await reply.code(304).send()
      return true
    }
    const range = content.ranges ? askedRange(request, reply, info.size, etag) : 'whole'
    reply.header('content-type', content.mediaType)
    if (request.method === 'HEAD') {
      await reply.header('content-length', info.size).send()
      return true
    }
    const source = await store.open(content.digest)
    if (source === undefined) return false
    try {
      await this.#sendSource(request, reply, source, range)
    } finally {
      await source.close()
    }
    return true
  }

  /**
   * Answer a GET with content that may still be arriving. Its source is read as far as the client wants it, and not closed.
   *
   * @throws OciError with status 416 for a range that the content does not have; what the source throws before its first
   * byte is there
   */
  async sendFrom(request: FastifyRequest, reply: FastifyReply, content: Content, source: BlobSource): Promise<void> {
    const etag = `"${content.digest}"`
    reply.header('docker-content-digest', content.digest).header('etag', etag)
    if (content.ranges) reply.header('accept-ranges', 'bytes')
    const range = content.ranges ? askedRange(request, reply, source.size, etag) : 'whole'
    reply.header('content-type', content.mediaType)
    await source.available(range === 'whole' ? 0 : range.start, { signal: goneSignal(reply) })
    await this.#sendSource(request, reply, source, range)
  }

  async #sendSource(
    request: FastifyRequest,
    reply: FastifyReply,
    source: BlobSource,
    asked: ByteRange | 'whole'
  ): Promise<void> {
    const { logger, transfer } = this.#init
    const range = asked === 'whole' ? { start: 0, end: source.size } : asked
    reply.header('content-length', range.end - range.start)
    if (asked !== 'whole') reply.header('content-range', formatContentRange(asked, source.size))
    // From here on the bytes go to the socket past the framework, which would copy and queue them.
    reply.hijack()
    const { raw } = reply
    try {
      raw.writeHead(asked === 'whole' ? 200 : 206, definedHeaders(reply))
      await sendBlob(source, range, raw, { onBytes: (bytes) => transfer.sent('client', 'http', bytes) })
      raw.end()
    } catch (error) {
      // The length was announced: a connection that ends early tells the client that bytes are missing.
      raw.destroy()
      if (error instanceof SendInterruptedError) {
        logger.debug({ digest: source.digest, request: request.id }, 'the client went away')
      } else {
        logger.error({ err: error, digest: source.digest, request: request.id }, 'content could not be sent')
      }
    }
  }
}

/** Fires when the client goes away. */
export function goneSignal(reply: FastifyReply): AbortSignal {
  const controller = new AbortController()
  reply.raw.once('close', () => controller.abort(new SendInterruptedError()))
  return controller.signal
}

export function askedRange(
  request: FastifyRequest,
  reply: FastifyReply,
  size: number,
  etag: string
): ByteRange | 'whole' {
  const { range: header, 'if-range': condition } = request.headers
  // Ranges are defined for GET only (RFC 9110, 14.2).
  if (request.method !== 'GET' || (condition !== undefined && condition !== etag)) return 'whole'
  const range = parseByteRange(header, size)
  if (range !== 'unsatisfiable') return range
  reply.header('content-range', `bytes */${size}`)
  throw new OciError('SIZE_INVALID', `the range ${header ?? ''} is not within ${size} bytes`, { status: 416 })
}

/** RFC 9110, 13.1.2. */
function matches(header: string | undefined, etag: string): boolean {
  if (header === undefined) return false
  return header.split(',').some((each) => each.trim() === '*' || each.trim().replace(/^W\//, '') === etag)
}

function definedHeaders(reply: FastifyReply): Record<string, number | string | string[]> {
  const headers: Record<string, number | string | string[]> = {}
  for (const [name, value] of Object.entries(reply.getHeaders())) if (value !== undefined) headers[name] = value
  return headers
}
