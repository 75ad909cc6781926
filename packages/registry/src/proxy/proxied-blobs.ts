import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { type ArrivingBlob, StoreClosedError, StoreFullError } from '@shoal/content'
import { type ByteRange, type Digest, formatContentRange, OciError, parseByteRange, parseDigest } from '@shoal/oci'
import type { Logger } from '@shoal/swarm'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { ManifestReader } from '../artifacts/manifest-reader.ts'
import type { BlobStore } from '../blob-store.ts'
import { type ContentSender, goneSignal } from '../content-sender.ts'
import type { Holdings } from '../holdings.ts'
import type { Leases } from '../leases.ts'
import type { Metadata } from '../metadata.ts'
import { CONNECTION_IDLE_MS } from '../server.ts'
import { blobUnknown } from '../unknown.ts'
import type { BlobFills } from './blob-fills.ts'
import { describedSize } from './described-size.ts'
import type { ProxiedName } from './proxied-name.ts'
import type { Upstream } from './upstream.ts'
import { upstreamAnswer } from './upstream-errors.ts'

/** A range that begins so far behind what has come is not waited for but asked for by itself, bytes. */
export const RANGE_NEAR_BYTES = 4 * 1024 * 1024
/** A range longer than this waits for the blob, bytes. */
export const RANGE_PART_MAX_BYTES = 16 * 1024 * 1024

/** What proxied blobs are served with. */
export interface ProxiedBlobsInit {
  readonly store: Pick<BlobStore, 'stat'>
  readonly metadata: Pick<Metadata, 'hasBlob' | 'manifest' | 'users'>
  readonly holdings: Pick<Holdings, 'addBlob'>
  readonly leases: Pick<Leases, 'extend' | 'holding'>
  readonly reader: Pick<ManifestReader, 'read'>
  readonly sender: Pick<ContentSender, 'sendFrom'>
  readonly fills: BlobFills
  readonly logger: Logger
}

/** A blob that is here, or on its way. */
export interface BegunBlob {
  /** Bytes. */
  readonly size: number
  /** Undefined when it is here. */
  readonly arriving: ArrivingBlob | undefined
}

/** Serves the blobs of upstreams: those that are here, and those that are not yet. */
export class ProxiedBlobs {
  readonly #init: ProxiedBlobsInit

  constructor(init: ProxiedBlobsInit) {
    this.#init = init
  }

  /**
   * Look after a GET or HEAD. A HEAD fetches nothing, and a range does not wait for the whole blob.
   *
   * @returns whether it is answered; if not, the repository has the blob
   * @throws OciError `DIGEST_INVALID`, `BLOB_UNKNOWN` with status 404, or 502 when the upstream cannot be asked, and what
   * `BlobFills` throws
   */
  async look(
    request: FastifyRequest,
    reply: FastifyReply,
    upstream: Upstream,
    name: ProxiedName,
    text: string
  ): Promise<boolean> {
    const digest = parseDigest(text)
    if (await this.#isHere(name, digest)) return false
    if (request.method === 'HEAD') {
      const size = await this.#size(upstream, name, digest)
      reply.header('content-type', 'application/octet-stream').header('docker-content-digest', digest)
      await reply.header('accept-ranges', 'bytes').header('content-length', size).send()
      return true
    }
    // It may be long until something moves on the connection.
    request.socket.setTimeout(0)
    try {
      while (!(await this.#adopt(upstream, name, digest))) {
        const part = await this.#part(request, upstream, name, digest)
        if (part !== undefined) {
          await this.#sendPart(reply, upstream, name, digest, part)
          return true
        }
        if (await this.#sendArriving(request, reply, upstream, name, digest)) return true
      }
      return false
    } finally {
      request.socket.setTimeout(CONNECTION_IDLE_MS)
    }
  }

  /**
   * Have a blob here or on its way.
   *
   * @throws like {@link look}
   */
  async begin(upstream: Upstream, name: ProxiedName, digest: Digest): Promise<BegunBlob> {
    const { fills, store } = this.#init
    const size = await describedSize(this.#init, name.local, digest)
    while (!(await this.#isHere(name, digest)) && !(await this.#adopt(upstream, name, digest))) {
      const blob = await this.#told(upstream, name, digest, async () => {
        return await fills.arriving(digest, { upstream, repository: name.repository, local: name.local, size })
      })
      if (blob !== undefined) return { size: blob.size, arriving: blob.whole ? undefined : blob }
    }
    const info = await store.stat(digest)
    if (info === undefined) throw blobUnknown(name.local, digest)
    return { size: info.size, arriving: undefined }
  }

  async #isHere(name: ProxiedName, digest: Digest): Promise<boolean> {
    const { leases, metadata, store } = this.#init
    const isLinked = (await metadata.hasBlob(name.local, digest)) && (await store.stat(digest)) !== undefined
    if (!isLinked || (await leases.extend(digest, false))) return isLinked
    return await metadata.hasBlob(name.local, digest)
  }

  /** Give the repository a blob that is in the store already, if its manifests or its upstream have it. */
  async #adopt(upstream: Upstream, name: ProxiedName, digest: Digest): Promise<boolean> {
    const { fills, holdings, leases, metadata, store } = this.#init
    if (fills.find(upstream, digest) !== undefined) return false
    return await leases.holding([digest], async () => {
      const info = await store.stat(digest)
      if (info === undefined) return false
      if (await metadata.hasBlob(name.local, digest)) return true
      let isTheirs = false
      for await (const _ of metadata.users(name.local, digest)) {
        isTheirs = true
        break
      }
      if (!isTheirs) await this.#askSize(upstream, name, digest)
      await holdings.addBlob(name.local, digest, info.size)
      return true
    })
  }

  async #size(upstream: Upstream, name: ProxiedName, digest: Digest): Promise<number> {
    const described = await describedSize(this.#init, name.local, digest)
    return described ?? (await this.#askSize(upstream, name, digest))
  }

  async #askSize(upstream: Upstream, name: ProxiedName, digest: Digest): Promise<number> {
    const head = await this.#told(upstream, name, digest, async () => await upstream.headBlob(name.repository, digest))
    if (head === undefined) throw blobUnknown(name.local, digest)
    return head.size
  }

  /** The range that is better asked for by itself; undefined when the blob is to be waited for as it arrives. */
  async #part(
    request: FastifyRequest,
    upstream: Upstream,
    name: ProxiedName,
    digest: Digest
  ): Promise<{ range: ByteRange; size: number } | undefined> {
    const { range: header, 'if-range': condition } = request.headers
    if (header === undefined || (condition !== undefined && condition !== `"${digest}"`)) return undefined
    const fill = this.#init.fills.find(upstream, digest)
    const isFilling = fill !== undefined
    const arriving = isFilling ? await fill.arriving.catch(() => undefined) : undefined
    const size = arriving?.size ?? (await this.#size(upstream, name, digest))
    const range = parseByteRange(header, size)
    if (range === 'whole' || range === 'unsatisfiable' || range.end - range.start > RANGE_PART_MAX_BYTES)
      return undefined
    const isFar = range.start > (arriving?.readable ?? 0) + RANGE_NEAR_BYTES
    const isAll = upstream.config.rangeMiss !== 'part' || isFilling
    return isAll && !isFar ? undefined : { range, size }
  }

  /**
   * What came of it, and what comes. The fetching goes on when the client leaves.
   *
   * @returns false when it is in the store meanwhile, and nothing is answered
   */
  async #sendArriving(
    request: FastifyRequest,
    reply: FastifyReply,
    upstream: Upstream,
    name: ProxiedName,
    digest: Digest
  ): Promise<boolean> {
    const { fills, sender } = this.#init
    const size = await describedSize(this.#init, name.local, digest)
    return await this.#told(upstream, name, digest, async () => {
      const source = { upstream, repository: name.repository, local: name.local, size }
      const blob = await fills.arriving(digest, source)
      if (blob === undefined) return false
      const content = { digest, mediaType: 'application/octet-stream', ranges: true }
      const reading = blob.source()
      try {
        await sender.sendFrom(request, reply, content, reading)
        return true
      } finally {
        await reading.close()
      }
    })
  }

  /** A part of it, straight from the upstream. Only who puts the blob together can say whether it is right. */
  async #sendPart(
    reply: FastifyReply,
    upstream: Upstream,
    name: ProxiedName,
    digest: Digest,
    { range, size }: { range: ByteRange; size: number }
  ): Promise<void> {
    const { fills, logger } = this.#init
    const signal = goneSignal(reply)
    const opened = await this.#told(upstream, name, digest, async () => {
      return await upstream.blob(name.repository, digest, { range, signal })
    })
    if (opened === undefined) throw blobUnknown(name.local, digest)
    if (upstream.config.rangeMiss !== 'part') {
      const source = { upstream, repository: name.repository, local: name.local, size }
      fills.arriving(digest, source).catch((error: unknown) => logger.debug({ err: error, digest }, 'not filled'))
    }
    reply.hijack()
    try {
      reply.raw.writeHead(206, {
        'docker-content-digest': digest,
        'content-type': 'application/octet-stream',
        'accept-ranges': 'bytes',
        'content-length': range.end - range.start,
        'content-range': formatContentRange(range, size)
      })
      await pipeline(Readable.from(opened.body, { objectMode: false }), reply.raw)
    } catch (error) {
      reply.raw.destroy()
      logger.debug({ err: error, digest }, 'a part of a blob could not be sent to its end')
    } finally {
      await opened.body.return()
    }
  }

  /** What the client is told when the upstream does not give a blob. */
  async #told<T>(upstream: Upstream, name: ProxiedName, digest: Digest, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (error instanceof StoreFullError || error instanceof StoreClosedError) throw error
      // Ours, and said well already: no room, too many, a range that is none.
      if (error instanceof OciError && ['DENIED', 'BLOB_UNKNOWN'].includes(error.code)) throw error
      if (error instanceof OciError && (error.status === 416 || error.status === 503)) throw error
      throw upstreamAnswer(upstream.host, 'BLOB_UNKNOWN', `the blob ${digest} of ${name.repository}`, error)
    }
  }
}
