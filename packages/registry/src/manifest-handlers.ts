import {
  type Digest,
  digestAlgorithm,
  digestOf,
  isTag,
  type Manifest,
  manifestReferences,
  OciError,
  parseDigest,
  parseManifest
} from '@shoal/oci'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { BlobStore } from './blob-store.ts'
import { BodyMemory } from './body-memory.ts'
import type { ContentSender } from './content-sender.ts'
import type { EventSource } from './events/event-source.ts'
import { isForeign } from './foreign/foreign-layer.ts'
import type { Holdings } from './holdings.ts'
import type { Leases } from './leases.ts'
import { referrerOf, storeBytes } from './manifest-bytes.ts'
import { type ManifestRecord, type Metadata, TagFixedError } from './metadata.ts'
import type { Policies } from './policies.ts'
import type { PullTimes } from './pull-times.ts'
import { contentLength, queryValues, readBody } from './request.ts'
import type { Seeder } from './seeder.ts'
import { manifestUnknown, repositoryUnknown } from './unknown.ts'

/** Longest manifest, bytes (OCI distribution, "Pushing Manifests": at least this much has to be accepted). */
export const MANIFEST_MAX_BYTES = 4 * 1024 * 1024
/** Tags that one push may set. */
export const MANIFEST_TAGS_MAX = 100

/** What the manifest routes need. */
export interface ManifestHandlersInit {
  readonly store: Pick<BlobStore, 'ingest' | 'stat'>
  readonly metadata: Pick<Metadata, 'deleteTag' | 'hasBlob' | 'hasRepository' | 'manifest' | 'tag'>
  readonly holdings: Pick<Holdings, 'addManifest' | 'removeManifest'>
  readonly leases: Pick<Leases, 'extend' | 'holding'>
  readonly policies: Policies
  readonly sender: ContentSender
  readonly events: Pick<EventSource, 'of' | 'pulled'>
  readonly seeder: Seeder
  readonly pulls: Pick<PullTimes, 'note'>
  /** What becomes of the manifest of an image whose blobs are not all here. */
  readonly sparseImages: SparseImages
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/** Whether an image may be pushed before its blobs, or without some of them. */
export type SparseImages = 'accept' | 'refuse'

/** Serves, takes in and removes manifests. They are kept byte for byte as they came. */
export class ManifestHandlers {
  readonly #init: ManifestHandlersInit
  readonly #bodies = new BodyMemory()

  constructor(init: ManifestHandlersInit) {
    this.#init = init
  }

  /**
   * GET and HEAD, by tag or by digest.
   *
   * @throws OciError `NAME_UNKNOWN`, `MANIFEST_UNKNOWN`, `DIGEST_INVALID`
   */
  async send(request: FastifyRequest, reply: FastifyReply, name: string, reference: string): Promise<void> {
    const { events, leases, metadata, pulls, sender } = this.#init
    let manifest = await this.#find(name, reference)
    // Its layers are pulled next, or it becomes part of an index without being pushed again.
    const isProbe = request.method === 'HEAD' && reference.includes(':')
    if (manifest !== undefined && !(await leases.extend(manifest.digest, isProbe))) {
      manifest = await this.#find(name, reference)
    }
    if (manifest !== undefined) {
      const { digest, mediaType } = manifest
      // A HEAD by digest only asks whether it is here, before a push for instance.
      if (request.method === 'GET' || !reference.includes(':')) pulls.note(name, digest)
      if (await sender.send(request, reply, { digest, mediaType, ranges: false })) {
        const tag = reference.includes(':') ? {} : { tag: reference }
        events.pulled(request, { kind: 'manifest', repository: name, digest, mediaType, size: manifest.size, ...tag })
        return
      }
    }
    throw (await metadata.hasRepository(name)) ? manifestUnknown(name, reference) : repositoryUnknown(name)
  }

  /**
   * Take in a manifest under a tag, or under its digest with any number of `?tag=`.
   *
   * @throws OciError `MANIFEST_INVALID`, `MANIFEST_BLOB_UNKNOWN`, `DIGEST_INVALID`, `SIZE_INVALID` with status 413, and
   * `DENIED` when a tag is immutable or a quota used up
   */
  async put(request: FastifyRequest, reply: FastifyReply, name: string, reference: string): Promise<void> {
    const bytes = Math.min(contentLength(request) ?? MANIFEST_MAX_BYTES, MANIFEST_MAX_BYTES)
    await this.#bodies.using(bytes, async () => await this.#put(request, reply, name, reference))
  }

  async #put(request: FastifyRequest, reply: FastifyReply, name: string, reference: string): Promise<void> {
    const { events, holdings, leases, metadata, now, policies, seeder, store } = this.#init
    const { expected, tags } = asked(request, reference)
    const bytes = await readBody(request, MANIFEST_MAX_BYTES)
    const digest = digestOf(bytes, expected === undefined ? 'sha256' : digestAlgorithm(expected))
    if (expected !== undefined && digest !== expected) {
      throw new OciError('DIGEST_INVALID', `the manifest has the digest ${digest}, not ${expected}`)
    }
    const manifest = parseManifest(bytes, request.headers['content-type'])
    const { mediaType, subject } = manifest
    const size = bytes.length
    const references = manifestReferences(manifest).map((descriptor) => descriptor.digest)
    const fixed = tags.filter((tag) => policies.isImmutable(name, tag))
    for (const tag of fixed) {
      // Said again when it is stored; here before anything is.
      if (((await metadata.tag(name, tag)) ?? digest) !== digest) throw tagImmutable(name, tag)
    }
    const record = {
      digest,
      mediaType,
      size,
      pushedAt: now(),
      ...(subject === undefined ? {} : { subject: subject.digest })
    }
    const referrer = subject === undefined ? {} : { referrer: referrerOf(manifest, digest, size) }
    const target = { kind: 'manifest' as const, repository: name, digest, mediaType, size }
    const targets = tags.length === 0 ? [target] : tags.map((tag) => ({ ...target, tag }))
    const told = events.of(request, 'push', targets)
    const missing = await leases.holding([digest, ...references], async () => {
      const lacking = await this.#missingReferences(name, manifest)
      await holdings
        .addManifest(
          name,
          record,
          { tags, fixed, references, ...referrer, events: told },
          async () => await storeBytes(store, digest, bytes)
        )
        .catch(refuseFixed(name))
      return lacking
    })
    seeder.announce(digest)
    if (subject !== undefined) reply.header('oci-subject', subject.digest)
    if (expected !== undefined && tags.length > 0) reply.header('oci-tag', tags)
    if (missing.length > 0) reply.header('warning', missingWarning(missing))
    await reply
      .code(201)
      .header('location', `/v2/${name}/manifests/${digest}`)
      .header('docker-content-digest', digest)
      .send()
  }

  /**
   * Remove a tag, or a manifest with all its tags.
   *
   * @throws OciError `MANIFEST_UNKNOWN`, `DIGEST_INVALID`, `DENIED` when a tag is immutable
   */
  async delete(request: FastifyRequest, reply: FastifyReply, name: string, reference: string): Promise<void> {
    const { events, holdings, metadata, policies } = this.#init
    let isRemoved: boolean
    if (reference.includes(':')) {
      const digest = parseDigest(reference)
      const told = events.of(request, 'delete', [{ kind: 'manifest', repository: name, digest }])
      const isFixed = (tag: string): boolean => policies.isImmutable(name, tag)
      isRemoved = await holdings.removeManifest(name, digest, told, isFixed).catch(refuseFixed(name))
    } else {
      if (policies.isImmutable(name, reference)) {
        // One that is not there is left alone too: it may be set just now.
        const isThere = (await metadata.tag(name, reference)) !== undefined
        throw isThere ? tagImmutable(name, reference) : manifestUnknown(name, reference)
      }
      const told = events.of(request, 'delete', [{ kind: 'tag', repository: name, tag: reference }])
      isRemoved = await metadata.deleteTag(name, reference, undefined, told)
    }
    if (!isRemoved) throw manifestUnknown(name, reference)
    await reply.code(202).send()
  }

  async #find(name: string, reference: string): Promise<ManifestRecord | undefined> {
    const { metadata } = this.#init
    const digest = reference.includes(':') ? parseDigest(reference) : await metadata.tag(name, reference)
    return digest === undefined ? undefined : await metadata.manifest(name, digest)
  }

  /**
   * What an image lacks here. It may be sparse where the operator allows it (OCI distribution, "Pushing Manifests"); an
   * index always may: it may list platforms that nobody wants here.
   *
   * @throws OciError `MANIFEST_BLOB_UNKNOWN`, and `MANIFEST_INVALID` when it is wrong about the size of a blob
   */
  async #missingReferences(name: string, manifest: Manifest): Promise<Digest[]> {
    if (manifest.kind === 'index') return []
    const { metadata, sparseImages, store } = this.#init
    const missing: Digest[] = []
    for (const descriptor of manifestReferences(manifest)) {
      const { digest, size } = descriptor
      const blob = (await metadata.hasBlob(name, digest)) ? await store.stat(digest) : undefined
      if (blob !== undefined && blob.size !== size) {
        throw new OciError('MANIFEST_INVALID', `the blob ${digest} has ${blob.size} bytes, not ${size}`)
      }
      if (blob !== undefined || isForeign(descriptor)) continue
      if (sparseImages === 'refuse') {
        const detail = { digest }
        throw new OciError('MANIFEST_BLOB_UNKNOWN', `${name} has no blob ${digest}: push it first`, { detail })
      }
      missing.push(digest)
    }
    return missing
  }
}

/** What the metadata says of an immutable tag, as clients are told. */
function refuseFixed(name: string): (error: unknown) => never {
  return (error) => {
    throw error instanceof TagFixedError ? tagImmutable(name, error.tag) : error
  }
}

function tagImmutable(name: string, tag: string): OciError {
  return new OciError('DENIED', `the tag ${tag} of ${name} is immutable: it can be neither moved nor removed`, {
    detail: { name, tag }
  })
}

/** Under which names a manifest is to be stored. */
function asked(request: FastifyRequest, reference: string): { expected?: Digest; tags: string[] } {
  const isByDigest = reference.includes(':')
  const tags = isByDigest ? queryValues(request, 'tag') : [reference]
  if (tags.length > MANIFEST_TAGS_MAX) {
    throw new OciError('UNSUPPORTED', `a push may set ${MANIFEST_TAGS_MAX} tags, not ${tags.length}`, { status: 414 })
  }
  const wrong = tags.find((tag) => !isTag(tag))
  if (wrong !== undefined) {
    throw new OciError('MANIFEST_INVALID', `"${wrong.slice(0, 150)}" is not a tag: 1 to 128 of A-Z a-z 0-9 _ . -`)
  }
  return { ...(isByDigest ? { expected: parseDigest(reference) } : {}), tags }
}

/** Tells whoever pushes that nobody can pull this yet (OCI distribution, "Warnings"). */
function missingWarning(missing: readonly Digest[]): string {
  const [first] = missing
  const others = missing.length > 1 ? ` and ${missing.length - 1} more` : ''
  return `299 - "the image is not complete: the repository has no blob ${first}${others}"`
}
