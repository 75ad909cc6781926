import type { Descriptor, Digest } from '@shoal/oci'

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
  /** How the referrers of its subject list it. Kept only for a manifest that has a subject. */
  readonly referrer?: Descriptor
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

/**
 * What the registry knows of its repositories. Bytes are elsewhere.
 *
 * A repository exists from the moment that something is put into it, and stays. Each writing call takes effect as a
 * whole or not at all, and is durable when it resolves. Lists are sorted by code unit.
 */
export interface Metadata {
  hasRepository(repository: string): Promise<boolean>
  /** How many repositories there are. */
  countRepositories(): Promise<number>

  /** Let `repository` serve a blob. */
  linkBlob(repository: string, digest: Digest): Promise<void>
  hasBlob(repository: string, digest: Digest): Promise<boolean>
  /** @returns whether it was linked. */
  unlinkBlob(repository: string, digest: Digest): Promise<boolean>

  /** Store a manifest with its tags; again for the same digest replaces what was known of it. */
  putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void>
  manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined>
  /**
   * Remove a manifest with all the tags that name it and its place among the referrers.
   *
   * @returns whether there was one.
   */
  deleteManifest(repository: string, digest: Digest): Promise<boolean>

  /** Remember when manifests were pulled; those that are not there are passed over. Not durable at once. */
  recordPulls(pulls: readonly PullRecord[]): Promise<void>
  /** When a manifest was last pulled, milliseconds since 1970; what `PullTimes` has not written yet is not in it. */
  pulledAt(repository: string, digest: Digest): Promise<number | undefined>

  /** What a tag names. */
  tag(repository: string, tag: string): Promise<Digest | undefined>
  /** @returns whether there was one. The manifest stays. */
  deleteTag(repository: string, tag: string): Promise<boolean>
  tags(repository: string, page: Page): Promise<string[]>

  /** The manifests that have `subject` as theirs, by digest, from behind `after` on. */
  referrers(repository: string, subject: Digest, after?: string): AsyncIterable<Descriptor>

  close(): Promise<void>
}
