import type { Descriptor, Digest } from '@shoal/oci'
import type {
  Holding,
  LeaseRecords,
  ManifestNames,
  ManifestRecord,
  Metadata,
  MetadataSnapshot,
  Notes,
  Page,
  PullRecord,
  SnapshotRecord,
  TagRecord,
  UploadRecord,
  UploadRecords
} from './metadata.ts'
import { TagFixedError } from './metadata.ts'

interface Repository {
  readonly blobs: Map<Digest, number>
  readonly manifests: Map<Digest, ManifestRecord>
  readonly references: Map<Digest, readonly Digest[]>
  readonly tags: Map<string, TagRecord>
  readonly referrers: Map<Digest, Map<Digest, Descriptor>>
  readonly pulls: Map<Digest, number>
}

/** Metadata that is gone with the process: the twin of the durable one for tests and for trying things out. */
export class MemoryMetadata implements Metadata {
  readonly uploads: UploadRecords = new MemoryUploads()
  readonly leases: LeaseRecords = new MemoryLeases()
  readonly notes: Notes = new MemoryNotes()
  readonly #repositories = new Map<string, Repository>()

  async hasRepository(repository: string): Promise<boolean> {
    return this.#repositories.has(repository)
  }

  async countRepositories(): Promise<number> {
    return this.#repositories.size
  }

  async *repositories(after?: string): AsyncGenerator<string, void, void> {
    yield* sorted(this.#repositories.keys(), after)
  }

  async linkBlob(repository: string, digest: Digest, size: number): Promise<void> {
    this.#open(repository).blobs.set(digest, size)
  }

  async hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.#repositories.get(repository)?.blobs.has(digest) ?? false
  }

  async unlinkBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.#repositories.get(repository)?.blobs.delete(digest) ?? false
  }

  async *blobs(repository: string, after?: Digest): AsyncGenerator<Digest, void, void> {
    yield* sorted(this.#repositories.get(repository)?.blobs.keys() ?? [], after)
  }

  async putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void> {
    const { manifests, references, referrers, tags } = this.#open(repository)
    const { digest, pushedAt: taggedAt, subject } = manifest
    for (const tag of names.fixed ?? []) {
      if ((tags.get(tag)?.digest ?? digest) !== digest) throw new TagFixedError(tag)
    }
    manifests.set(digest, manifest)
    references.set(digest, names.references)
    for (const tag of names.tags) tags.set(tag, { tag, digest, taggedAt })
    if (subject === undefined || names.referrer === undefined) return
    const list = referrers.get(subject) ?? new Map<Digest, Descriptor>()
    referrers.set(subject, list.set(digest, names.referrer))
  }

  async manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    return this.#repositories.get(repository)?.manifests.get(digest)
  }

  async *manifests(repository: string, after?: Digest): AsyncGenerator<ManifestRecord, void, void> {
    const manifests = this.#repositories.get(repository)?.manifests
    for (const digest of sorted(manifests?.keys() ?? [], after)) {
      const manifest = manifests?.get(digest)
      if (manifest !== undefined) yield manifest
    }
  }

  async deleteManifest(
    repository: string,
    digest: Digest,
    _events?: Parameters<Metadata['deleteManifest']>[2],
    isFixed?: (tag: string) => boolean
  ): Promise<boolean> {
    const found = this.#repositories.get(repository)
    const manifest = found?.manifests.get(digest)
    if (found === undefined || manifest === undefined) return false
    for (const [tag, named] of found.tags) {
      if (named.digest === digest && isFixed?.(tag) === true) throw new TagFixedError(tag)
    }
    found.manifests.delete(digest)
    found.references.delete(digest)
    found.pulls.delete(digest)
    for (const [tag, named] of found.tags) if (named.digest === digest) found.tags.delete(tag)
    if (manifest.subject !== undefined) found.referrers.get(manifest.subject)?.delete(digest)
    return true
  }

  async recordPulls(pulls: readonly PullRecord[]): Promise<void> {
    for (const { digest, pulledAt, repository } of pulls) {
      const found = this.#repositories.get(repository)
      if (found?.manifests.has(digest)) found.pulls.set(digest, pulledAt)
    }
  }

  async pulledAt(repository: string, digest: Digest): Promise<number | undefined> {
    return this.#repositories.get(repository)?.pulls.get(digest)
  }

  async tag(repository: string, tag: string): Promise<Digest | undefined> {
    return this.#repositories.get(repository)?.tags.get(tag)?.digest
  }

  async deleteTag(repository: string, tag: string, expected?: TagRecord): Promise<boolean> {
    const tags = this.#repositories.get(repository)?.tags
    const record = tags?.get(tag)
    if (tags === undefined || record === undefined) return false
    const { digest, taggedAt } = expected ?? record
    return record.digest === digest && record.taggedAt === taggedAt && tags.delete(tag)
  }

  async tags(repository: string, page: Page): Promise<string[]> {
    return sorted(this.#repositories.get(repository)?.tags.keys() ?? [], page.after).slice(0, page.limit)
  }

  async *tagged(repository: string, digest?: Digest): AsyncGenerator<TagRecord, void, void> {
    const records = [...(this.#repositories.get(repository)?.tags.values() ?? [])]
    const key = (record: TagRecord): string => `${record.digest}:${record.tag}`
    for (const record of records.sort((a, b) => (key(a) < key(b) ? -1 : 1))) {
      if (digest === undefined || record.digest === digest) yield record
    }
  }

  async *users(repository: string, digest: Digest): AsyncGenerator<Digest, void, void> {
    const references = this.#repositories.get(repository)?.references ?? new Map<Digest, readonly Digest[]>()
    for (const user of sorted(references.keys())) if (references.get(user)?.includes(digest)) yield user
  }

  async *holdings(digest: Digest, prefix = ''): AsyncGenerator<Holding, void, void> {
    for (const repository of sorted(this.#repositories.keys())) {
      if (!repository.startsWith(prefix)) continue
      const { blobs, manifests } = this.#open(repository)
      const blob = blobs.get(digest)
      if (blob !== undefined) yield { repository, kind: 'blob', size: blob }
      const manifest = manifests.get(digest)
      if (manifest !== undefined) yield { repository, kind: 'manifest', size: manifest.size }
    }
  }

  async *referrers(repository: string, subject: Digest, after?: string): AsyncGenerator<Descriptor, void, void> {
    const list = this.#repositories.get(repository)?.referrers.get(subject) ?? new Map<Digest, Descriptor>()
    for (const digest of sorted(list.keys(), after)) {
      const descriptor = list.get(digest)
      if (descriptor !== undefined) yield descriptor
    }
  }

  async snapshot(): Promise<MetadataSnapshot> {
    const kept = sorted(this.#repositories.keys()).flatMap((name) => recordsOf(name, this.#open(name)))
    return {
      async *records() {
        yield* kept
      },
      close: () => Promise.resolve()
    }
  }

  async close(): Promise<void> {
    this.#repositories.clear()
  }

  #open(name: string): Repository {
    const known = this.#repositories.get(name)
    if (known !== undefined) return known
    const made: Repository = {
      blobs: new Map(),
      manifests: new Map(),
      references: new Map(),
      tags: new Map(),
      referrers: new Map(),
      pulls: new Map()
    }
    this.#repositories.set(name, made)
    return made
  }
}

class MemoryUploads implements UploadRecords {
  readonly #records = new Map<string, UploadRecord>()

  async put(upload: UploadRecord): Promise<void> {
    this.#records.set(upload.id, upload)
  }

  async delete(id: string): Promise<void> {
    this.#records.delete(id)
  }

  async *all(): AsyncGenerator<UploadRecord, void, void> {
    yield* this.#records.values()
  }
}

class MemoryLeases implements LeaseRecords {
  readonly #times = new Map<Digest, number>()

  async get(digest: Digest): Promise<number | undefined> {
    return this.#times.get(digest)
  }

  async put(digests: readonly Digest[], at: number): Promise<void> {
    for (const digest of digests) this.#times.set(digest, at)
  }

  async delete(digests: readonly Digest[]): Promise<void> {
    for (const digest of digests) this.#times.delete(digest)
  }

  async *before(time: number): AsyncGenerator<Digest, void, void> {
    for (const [digest, at] of [...this.#times]) if (at < time) yield digest
  }
}

class MemoryNotes implements Notes {
  readonly #notes = new Map<string, string>()

  async get(name: string): Promise<unknown> {
    const text = this.#notes.get(name)
    return text === undefined ? undefined : JSON.parse(text)
  }

  async put(name: string, value: unknown): Promise<void> {
    this.#notes.set(name, JSON.stringify(value))
  }
}

function recordsOf(repository: string, found: Repository): SnapshotRecord[] {
  const records: SnapshotRecord[] = [{ kind: 'repository', repository }]
  for (const digest of sorted(found.blobs.keys())) {
    records.push({ kind: 'blob', repository, digest, size: found.blobs.get(digest) ?? 0 })
  }
  for (const manifest of [...found.manifests.values()].sort((a, b) => (a.digest < b.digest ? -1 : 1))) {
    const { digest, subject } = manifest
    const referrer = subject === undefined ? undefined : found.referrers.get(subject)?.get(digest)
    const pulledAt = found.pulls.get(digest)
    records.push({
      kind: 'manifest',
      repository,
      manifest,
      references: [...new Set(found.references.get(digest))],
      ...(referrer === undefined ? {} : { referrer }),
      ...(pulledAt === undefined ? {} : { pulledAt })
    })
  }
  const key = (tag: TagRecord): string => `${tag.digest}:${tag.tag}`
  const tags = [...found.tags.values()].sort((a, b) => (key(a) < key(b) ? -1 : 1))
  for (const tag of tags) records.push({ kind: 'tag', repository, tag })
  return records
}

function sorted<T extends string>(keys: Iterable<T>, after?: string): T[] {
  return [...keys].filter((key) => after === undefined || key > after).sort()
}
