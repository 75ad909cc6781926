import type { Descriptor, Digest, DigestAlgorithm } from '@shoal/oci'
import type { NewEvent } from './events/event.ts'

/** What is known of a manifest beside its bytes, which are in the content store. */
export interface ManifestRecord {
  readonly digest: Digest
  readonly mediaType: string
  /** Bytes. */
  readonly size: number
  /** Milliseconds since 1970. */
  readonly pushedAt: number
  /** The manifest that this one refers to (OCI image specification, `subject`). */
  readonly subject?: Digest
}

/** What a manifest is stored with. */
export interface ManifestNames {
  /** Tags that name it from now on, whatever they named before. */
  readonly tags: readonly string[]
  /** What it is made of, which stays as long as the manifest: config and layers, or the manifests of an index. */
  readonly references: readonly Digest[]
  /** Those of the tags that must not be moved: that they are new, or name this manifest already. */
  readonly fixed?: readonly string[]
  /** How the referrers of its subject list it. Kept only for a manifest that has a subject. */
  readonly referrer?: Descriptor
  /** Kept in the same write. */
  readonly events?: readonly NewEvent[]
}

/** A tag that must not be moved names something else. */
export class TagFixedError extends Error {
  override readonly name = 'TagFixedError'
  readonly code = 'TAG_FIXED'
  readonly tag: string

  constructor(tag: string) {
    super(`the tag ${tag} is there already and must not be moved`)
    this.tag = tag
  }
}

/** A tag with what it names. */
export interface TagRecord {
  readonly tag: string
  readonly digest: Digest
  /** When it was given this digest, milliseconds since 1970. */
  readonly taggedAt: number
}

/** That a repository has a blob or a manifest. */
export interface Holding {
  readonly repository: string
  readonly kind: 'blob' | 'manifest'
  /** Bytes. */
  readonly size: number
}

/** An upload that is begun and not finished. Its bytes are in the blob store, under the same name. */
export interface UploadRecord {
  readonly id: string
  readonly repository: string
  /** Of the digest that will be given in the end, as far as known. */
  readonly algorithm?: DigestAlgorithm
  /** Milliseconds since 1970. */
  readonly begunAt: number
}

/** When a manifest was last pulled, as far as the registry saw it. */
export interface PullRecord {
  readonly repository: string
  readonly digest: Digest
  /** Milliseconds since 1970, up to `PULL_TIME_GRANULARITY_MS` old when it is written. */
  readonly pulledAt: number
}

/** Where to begin in a sorted list, and how much of it to give. */
export interface Page {
  /** The last entry that the asker has; the page begins behind it. It does not have to exist. */
  readonly after?: string
  /** Most entries wanted. */
  readonly limit: number
}

/** The uploads that are begun, so that they outlive the process. */
export interface UploadRecords {
  put(upload: UploadRecord): Promise<void>
  delete(id: string): Promise<void>
  all(): AsyncIterable<UploadRecord>
}

/** When digests were last used in a way that forbids to remove them for a while (`Leases`). */
export interface LeaseRecords {
  /** Milliseconds since 1970. */
  get(digest: Digest): Promise<number | undefined>
  put(digests: readonly Digest[], at: number): Promise<void>
  delete(digests: readonly Digest[]): Promise<void>
  /** Those from before a time, milliseconds since 1970. */
  before(time: number): AsyncIterable<Digest>
}

/** Small documents by name, such as the state of a garbage collection. */
export interface Notes {
  get(name: string): Promise<unknown>
  put(name: string, value: unknown): Promise<void>
}

/** One thing that a registry knows, whole: what puts it back needs no other record but the repository's. */
export type SnapshotRecord =
  | { readonly kind: 'repository'; readonly repository: string }
  | { readonly kind: 'blob'; readonly repository: string; readonly digest: Digest; readonly size: number }
  | {
      readonly kind: 'manifest'
      readonly repository: string
      readonly manifest: ManifestRecord
      readonly references: readonly Digest[]
      readonly referrer?: Descriptor
      /** Milliseconds since 1970. */
      readonly pulledAt?: number
    }
  | { readonly kind: 'tag'; readonly repository: string; readonly tag: TagRecord }

/** The repositories as they were at one instant, whatever is written since. */
export interface MetadataSnapshot {
  /** Repository by repository: its name, its blobs, its manifests, its tags. Can be read once more. */
  records(): AsyncIterable<SnapshotRecord>
  /** Let go of what is kept for it. */
  close(): Promise<void>
}

/**
 * What the registry knows of its repositories. Bytes are elsewhere.
 *
 * A repository exists from the moment that something is put into it, and stays. Each writing call takes effect as a
 * whole or not at all, and is durable when it resolves. Lists are sorted by code unit; what is put or removed while one is
 * read may or may not be in it.
 */
export interface Metadata {
  readonly uploads: UploadRecords
  readonly leases: LeaseRecords
  readonly notes: Notes

  hasRepository(repository: string): Promise<boolean>
  /** How many repositories there are. */
  countRepositories(): Promise<number>
  /** The names of all repositories, from behind `after` on. */
  repositories(after?: string): AsyncIterable<string>

  /** Let `repository` serve a blob of that many bytes. @param events kept in the same write, here and below */
  linkBlob(repository: string, digest: Digest, size: number, events?: readonly NewEvent[]): Promise<void>
  hasBlob(repository: string, digest: Digest): Promise<boolean>
  /** @returns whether it was linked. */
  unlinkBlob(repository: string, digest: Digest, events?: readonly NewEvent[]): Promise<boolean>
  /** The blobs of a repository, from behind `after` on. */
  blobs(repository: string, after?: Digest): AsyncIterable<Digest>

  /**
   * Store a manifest with its tags; again for the same digest replaces what was known of it.
   *
   * @throws TagFixedError when one of the `fixed` tags names another manifest; nothing is stored then
   */
  putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void>
  manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>
  /** The manifests of a repository, from behind `after` on. */
  manifests(repository: string, after?: Digest): AsyncIterable<ManifestRecord>
  /**
   * Remove a manifest with all the tags that name it and its place among the referrers.
   *
   * @param isFixed whether a tag has to stay
   * @returns whether there was one.
   * @throws TagFixedError when one of its tags has to stay; nothing is removed then
   */
  deleteManifest(
    repository: string,
    digest: Digest,
    events?: readonly NewEvent[],
    isFixed?: (tag: string) => boolean
  ): Promise<boolean>

  /** Remember when manifests were pulled; those that are not there are passed over. Not durable at once. */
  recordPulls(pulls: readonly PullRecord[]): Promise<void>
  /** When a manifest was last pulled, milliseconds since 1970; what `PullTimes` has not written yet is not in it. */
  pulledAt(repository: string, digest: Digest): Promise<number | undefined>

  /** What a tag names. */
  tag(repository: string, tag: string): Promise<Digest | undefined>
  /**
   * Remove a tag; with `expected`, only while it is still as it was then. The manifest stays.
   *
   * @returns whether it was removed.
   */
  deleteTag(repository: string, tag: string, expected?: TagRecord, events?: readonly NewEvent[]): Promise<boolean>
  tags(repository: string, page: Page): Promise<string[]>
  /** The tags of a repository by what they name, or those of one manifest. */
  tagged(repository: string, digest?: Digest): AsyncIterable<TagRecord>

  /** The manifests of a repository that have `digest` among their references. */
  users(repository: string, digest: Digest): AsyncIterable<Digest>
  /** The repositories that have `digest` as a blob or as a manifest, those whose names begin with `prefix` only. */
  holdings(digest: Digest, prefix?: string): AsyncIterable<Holding>

  /** The manifests that have `subject` as theirs, by digest, from behind `after` on. */
  referrers(repository: string, subject: Digest, after?: string): AsyncIterable<Descriptor>

  /** Everything of the repositories at this instant, for a backup. */
  snapshot(): Promise<MetadataSnapshot>

  close(): Promise<void>
}
