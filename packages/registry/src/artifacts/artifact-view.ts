import { type Descriptor, type Digest, manifestReferences, type Platform } from '@shoal/oci'
import { takePage } from '../list-page.ts'
import type { ManifestRecord, Metadata } from '../metadata.ts'
import type { PullTimes } from '../pull-times.ts'
import { summarize } from './artifact-summary.ts'
import type { ManifestReader, ReadManifest } from './manifest-reader.ts'

/** Tags that are listed of one artifact; the tag list of the repository has all. */
export const ARTIFACT_TAGS_MAX = 1000
/** Referrers that are listed of one artifact; `/v2/<name>/referrers/<digest>` has all. */
export const ARTIFACT_REFERRERS_MAX = 100

/** A manifest that refers to an artifact. */
export interface ReferrerView {
  readonly digest: Digest
  readonly mediaType: string
  readonly artifactType?: string
  readonly size: number
}

/** An artifact as `/api/v1` shows it. */
export interface ArtifactView {
  readonly digest: Digest
  readonly mediaType: string
  readonly type: string
  readonly platforms: readonly Platform[]
  readonly size: number
  readonly tags: readonly string[]
  readonly referrers: readonly ReferrerView[]
  readonly annotations: Readonly<Record<string, string>>
  readonly subject?: Digest
  /** As RFC 3339 has it. */
  readonly pushedAt: string
  readonly pulledAt: string | null
}

/** Something that an artifact is made of. */
export interface PartView extends Omit<Descriptor, 'data'> {
  /** Whether the repository has it. */
  readonly present: boolean
}

/** An artifact with all its parts. */
export interface ArtifactDetail extends ArtifactView {
  readonly parts: readonly PartView[]
}

/** What views are made from. */
export interface ArtifactViewsInit {
  readonly metadata: Pick<Metadata, 'hasBlob' | 'manifest' | 'referrers' | 'tagged'>
  readonly reader: Pick<ManifestReader, 'read'>
  readonly pulls: Pick<PullTimes, 'last'>
}

/** Shows artifacts to people and their programs. */
export class ArtifactViews {
  readonly #init: ArtifactViewsInit

  constructor(init: ArtifactViewsInit) {
    this.#init = init
  }

  /** @returns undefined when the store has lost its manifest */
  async view(repository: string, record: ManifestRecord): Promise<ArtifactView | undefined> {
    const read = await this.#init.reader.read(record)
    return read === undefined ? undefined : await this.#view(repository, record, read)
  }

  /** @returns undefined when the store has lost its manifest */
  async detail(repository: string, record: ManifestRecord): Promise<ArtifactDetail | undefined> {
    const read = await this.#init.reader.read(record)
    if (read === undefined) return undefined
    const parts: PartView[] = []
    for (const { data: _, ...descriptor } of manifestReferences(read.manifest)) {
      const present = await this.#isPresent(repository, descriptor.digest, read)
      parts.push({ ...descriptor, present })
    }
    return { ...(await this.#view(repository, record, read)), parts }
  }

  async #view(repository: string, record: ManifestRecord, read: ReadManifest): Promise<ArtifactView> {
    const { metadata, pulls } = this.#init
    const { digest, mediaType, pushedAt, subject } = record
    const { annotations = {} } = read.manifest
    const tagged = await takePage(metadata.tagged(repository, digest), { limit: ARTIFACT_TAGS_MAX })
    const referrers = await takePage(metadata.referrers(repository, digest), { limit: ARTIFACT_REFERRERS_MAX })
    const pulledAt = await pulls.last(repository, digest)
    return {
      digest,
      mediaType,
      ...(await summarize(this.#init, repository, record, read)),
      tags: tagged.items.map(({ tag }) => tag),
      referrers: referrers.items.map(referrerView),
      annotations,
      ...(subject === undefined ? {} : { subject }),
      pushedAt: new Date(pushedAt).toISOString(),
      pulledAt: pulledAt === undefined ? null : new Date(pulledAt).toISOString()
    }
  }

  async #isPresent(repository: string, digest: Digest, { manifest }: ReadManifest): Promise<boolean> {
    const { metadata } = this.#init
    if (manifest.kind === 'image') return await metadata.hasBlob(repository, digest)
    return (await metadata.manifest(repository, digest)) !== undefined
  }
}

function referrerView({ artifactType, digest, mediaType, size }: Descriptor): ReferrerView {
  return { digest, mediaType, size, ...(artifactType === undefined ? {} : { artifactType }) }
}
