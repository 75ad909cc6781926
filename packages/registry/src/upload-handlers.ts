import { StoreFullError } from '@shoal/content'
import { type Digest, digestAlgorithm, OciError, parseDigest } from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlobStore } from './blob-store.ts'
import type { EventSource } from './events/event-source.ts'
import { isBlobAnywhere, isBlobOf } from './held-blobs.ts'
import type { Holdings } from './holdings.ts'
import type { Leases } from './leases.ts'
import type { Metadata } from './metadata.ts'
import type { Quotas } from './quotas.ts'
import { contentLength, queryValue } from './request.ts'
import { type BodyCheck, RequestBody } from './request-body.ts'
import type { Seeder } from './seeder.ts'
import type { Upload, UploadTurn } from './upload.ts'
import { checkLength, checkStart, exactly, parseUploadRange } from './upload-range.ts'
import type { Uploads } from './uploads.ts'

/** What the upload routes need. */
export interface UploadHandlersInit {
  readonly store: Pick<BlobStore, 'stat'>
  readonly metadata: Pick<Metadata, 'hasBlob' | 'holdings'>
  readonly holdings: Pick<Holdings, 'addBlob'>
  readonly leases: Pick<Leases, 'holding'>
  readonly quotas: Pick<Quotas, 'exceeded' | 'room'>
  readonly uploads: Uploads
  readonly events: Pick<EventSource, 'of' | 'pushed'>
  readonly seeder: Seeder
}

/** Takes in blobs: in one request, in two, in chunks, or from another repository (OCI distribution, "Push"). */
export class UploadHandlers {
  readonly #init: UploadHandlersInit

  constructor(init: UploadHandlersInit) {
    this.#init = init
  }

  /**
   * POST: begin an upload. `?mount=&from=` takes the blob from another repository, `?mount=` alone from any that has it,
   * `?digest=` from this request.
   *
   * @throws OciError `DIGEST_INVALID`, `SIZE_INVALID`, `TOOMANYREQUESTS`
   */
  async begin(request: FastifyRequest, reply: FastifyReply, name: string): Promise<void> {
    const mount = queryValue(request, 'mount')
    if (mount !== undefined && (await this.#mount(request, name, parseDigest(mount)))) {
      return await sendCreated(reply, name, parseDigest(mount))
    }
    const digest = queryValue(request, 'digest')
    if (digest !== undefined) return await this.#receiveWhole(request, reply, name, parseDigest(digest))
    const algorithm = queryValue(request, 'digest-algorithm')
    if (algorithm !== undefined && algorithm !== 'sha256' && algorithm !== 'sha512') {
      throw new OciError('DIGEST_INVALID', 'the digest algorithms known here are sha256 and sha512')
    }
    await sendProgress(reply.code(202), await this.#init.uploads.begin(name, { algorithm }))
  }

  /** GET: how much has come. */
  async status(reply: FastifyReply, name: string, id: string): Promise<void> {
    const upload = this.#init.uploads.find(name, id)
    await progressHeaders(reply.code(204), upload, upload.tell()).send()
  }

  /**
   * PATCH: take in the next chunk, or all that comes where there is no `Content-Range`.
   *
   * @throws OciError `BLOB_UPLOAD_UNKNOWN`, `BLOB_UPLOAD_INVALID` with status 416 for a chunk out of order, `SIZE_INVALID`
   */
  async append(request: FastifyRequest, reply: FastifyReply, name: string, id: string): Promise<void> {
    const upload = this.#init.uploads.find(name, id)
    await upload.turn(async (turn) => {
      await unlessFull(reply, upload, async () => await this.#receive(request, reply, upload, turn))
    })
    await sendProgress(reply.code(202), upload)
  }

  /**
   * PUT: take in the last chunk, where there is one, and make the blob whole.
   *
   * @throws OciError as `append`, and `DIGEST_INVALID`
   */
  async finish(request: FastifyRequest, reply: FastifyReply, name: string, id: string): Promise<void> {
    const upload = this.#init.uploads.find(name, id)
    const text = queryValue(request, 'digest')
    if (text === undefined) throw new OciError('DIGEST_INVALID', 'the blob is finished with ?digest=<its digest>')
    const digest = parseDigest(text)
    await upload.turn(async (turn) => {
      // With nothing here yet, what comes now is all of the blob.
      const blobSize = turn.received === 0 ? contentLength(request) : undefined
      await unlessFull(reply, upload, async () => {
        await this.#receive(request, reply, upload, turn, blobSize)
        await this.#makeWhole(request, name, turn, digest)
      })
    })
    await sendCreated(reply, name, digest)
  }

  /** DELETE: drop an upload. */
  async cancel(reply: FastifyReply, name: string, id: string): Promise<void> {
    await this.#init.uploads.find(name, id).abort()
    await reply.code(204).send()
  }

  async #mount(request: FastifyRequest, name: string, digest: Digest): Promise<boolean> {
    const from = queryValue(request, 'from')
    const { events, holdings, leases, metadata, store } = this.#init
    return await leases.holding([digest], async () => {
      // Whoever may push may pull from every repository, so that none has to be named.
      const isHeld =
        from === undefined ? await isBlobAnywhere(metadata, digest) : await isBlobOf(metadata, from, digest)
      const blob = isHeld ? await store.stat(digest) : undefined
      if (blob === undefined) return false
      const fromRepository = from === undefined ? {} : { fromRepository: from }
      const target = { kind: 'blob' as const, repository: name, digest, size: blob.size, ...fromRepository }
      const told = events.of(request, 'mount', [{ ...target, mediaType: 'application/octet-stream' }])
      await holdings.addBlob(name, digest, blob.size, undefined, told)
      return true
    })
  }

  async #receiveWhole(request: FastifyRequest, reply: FastifyReply, name: string, digest: Digest): Promise<void> {
    const upload = await this.#init.uploads.begin(name, { algorithm: digestAlgorithm(digest), durable: false })
    try {
      await upload.turn(async (turn) => {
        await this.#receive(request, reply, upload, turn, contentLength(request))
        await this.#makeWhole(request, name, turn, digest)
      })
    } finally {
      // The client never learns its name, so that it cannot go on with it.
      await upload.abort()
    }
    await sendCreated(reply, name, digest)
  }

  /** The blob is durable before the repository has it, and both before anybody is told. */
  async #makeWhole(request: FastifyRequest, name: string, turn: UploadTurn, digest: Digest): Promise<void> {
    const { events, holdings, leases, seeder, store } = this.#init
    // Nothing moves on the connection while the disk works, however long that takes for a large blob.
    request.socket.setTimeout(0)
    const isNew = (await store.stat(digest)) === undefined
    await leases.holding([digest], async () => {
      const told = events.pushed(request, name, digest, turn.received)
      await turn.finish(digest, async (make) => await holdings.addBlob(name, digest, turn.received, make, told))
    })
    if (isNew) seeder.announce(digest)
  }

  /**
   * Take in a request's body, which has to begin where the upload stands, as far as the repository's quota has room. An
   * upload that is larger is dropped.
   */
  async #receive(
    request: FastifyRequest,
    reply: FastifyReply,
    upload: Upload,
    turn: UploadTurn,
    blobSize?: number
  ): Promise<void> {
    const { quotas } = this.#init
    const before = turn.received
    const room: BodyCheck = {
      // Asked with each piece: others push at the same time.
      passed: (more) => {
        const bytes = before + more
        if (bytes > quotas.room(upload.repository)) throw quotas.exceeded(upload.repository, bytes)
      }
    }
    try {
      await receive(request, reply, upload, turn, room, blobSize)
    } catch (error) {
      if (error instanceof OciError && error.code === 'DENIED') upload.drop()
      throw error
    }
  }
}

/** On a full disk, the client reads in the answer how much is kept, and goes on there once there is space. */
async function unlessFull(reply: FastifyReply, upload: Upload, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (error instanceof StoreFullError) progressHeaders(reply, upload)
    throw error
  }
}

/** Take in a request's body, which has to begin where the upload stands. */
async function receive(
  request: FastifyRequest,
  reply: FastifyReply,
  upload: Upload,
  turn: UploadTurn,
  room: BodyCheck,
  blobSize: number | undefined
): Promise<void> {
  const length = contentLength(request)
  const range = parseUploadRange(request.headers['content-range'])
  if (range !== undefined) {
    await turn.resume(range.start)
    // A client that is out of step reads in the answer where it has to go on.
    progressHeaders(reply, upload)
    checkStart(range, turn.received)
    checkLength(range, length)
  }
  if (length === 0) return
  room.passed(length ?? 0)
  const checks = range === undefined ? [room] : [room, exactly(range.end - range.start)]
  await turn.append(new RequestBody(request.raw, ...checks), blobSize)
}

function progressHeaders(reply: FastifyReply, upload: Upload, received = upload.received): FastifyReply {
  return (
    reply
      .header('location', `/v2/${upload.repository}/blobs/uploads/${upload.id}`)
      .header('docker-upload-uuid', upload.id)
      // The last byte, inclusive. There is no way to write that there is none; clients take 0-0 for it.
      .header('range', `0-${Math.max(0, received - 1)}`)
  )
}

async function sendProgress(reply: FastifyReply, upload: Upload): Promise<void> {
  await progressHeaders(reply, upload).send()
}

async function sendCreated(reply: FastifyReply, name: string, digest: Digest): Promise<void> {
  await reply
    .code(201)
    .removeHeader('range')
    .header('location', `/v2/${name}/blobs/${digest}`)
    .header('docker-content-digest', digest)
    .send()
}
