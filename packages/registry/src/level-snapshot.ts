import type { Database, DatabaseSnapshot } from '@shoal/content'
import { type Descriptor, type Digest, isDigest } from '@shoal/oci'
import type { ManifestRecord, MetadataSnapshot, SnapshotRecord } from './metadata.ts'

/** The tables of `LevelMetadata` as they were at one instant. */
export class LevelSnapshot implements MetadataSnapshot {
  readonly #database: Database
  readonly #at: DatabaseSnapshot

  constructor(database: Database, at: DatabaseSnapshot) {
    this.#database = database
    this.#at = at
  }

  async *records(): AsyncGenerator<SnapshotRecord, void, void> {
    const repositories = this.#database.table<string>('repositories', 'utf8')
    for await (const [repository] of repositories.entries({}, this.#at)) {
      yield { kind: 'repository', repository }
      yield* this.#blobs(repository)
      yield* this.#manifests(repository)
      yield* this.#tags(repository)
    }
  }

  async close(): Promise<void> {
    await this.#at.close()
  }

  async *#blobs(repository: string): AsyncGenerator<SnapshotRecord, void, void> {
    const blobs = this.#database.table<string>('blobs', 'utf8')
    const holdings = this.#database.table<number>('holdings', 'json')
    for await (const [key] of blobs.entries(within(repository), this.#at)) {
      const digest = key.slice(repository.length + 1)
      if (!isDigest(digest)) continue
      const size = (await holdings.get(`${digest}:${repository}:blob`, this.#at)) ?? 0
      yield { kind: 'blob', repository, digest, size }
    }
  }

  async *#manifests(repository: string): AsyncGenerator<SnapshotRecord, void, void> {
    const manifests = this.#database.table<ManifestRecord>('manifests', 'json')
    const references = this.#database.table<readonly Digest[]>('references', 'json')
    const referrers = this.#database.table<Descriptor>('referrers', 'json')
    const pulls = this.#database.table<number>('pulls', 'json')
    for await (const [key, manifest] of manifests.entries(within(repository), this.#at)) {
      const { digest, subject } = manifest
      const place = subject === undefined ? undefined : `${repository}:${subject}:${digest}`
      const referrer = place === undefined ? undefined : await referrers.get(place, this.#at)
      const pulledAt = await pulls.get(key, this.#at)
      yield {
        kind: 'manifest',
        repository,
        manifest,
        references: (await references.get(key, this.#at)) ?? [],
        ...(referrer === undefined ? {} : { referrer }),
        ...(pulledAt === undefined ? {} : { pulledAt })
      }
    }
  }

  async *#tags(repository: string): AsyncGenerator<SnapshotRecord, void, void> {
    const tagged = this.#database.table<number>('tagged', 'json')
    for await (const [key, taggedAt] of tagged.entries(within(repository), this.#at)) {
      const end = key.lastIndexOf(':')
      const digest = key.slice(repository.length + 1, end)
      if (isDigest(digest)) yield { kind: 'tag', repository, tag: { tag: key.slice(end + 1), digest, taggedAt } }
    }
  }
}

function within(repository: string): { readonly gt: string; readonly lt: string } {
  return { gt: `${repository}:`, lt: `${repository};` }
}
