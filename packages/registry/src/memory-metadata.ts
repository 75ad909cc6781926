import type { Descriptor, Digest } from '@shoal/oci'
import type { ManifestNames, ManifestRecord, Metadata, Page, PullRecord } from './metadata.ts'

interface Repository {
  readonly blobs: Set<Digest>
  readonly manifests: Map<Digest, ManifestRecord>
  readonly tags: Map<string, Digest>
  readonly referrers: Map<Digest, Map<Digest, Descriptor>>
  readonly pulls: Map<Digest, number>
}

/** Metadata that is gone with the process: the twin of the durable one for tests and for trying things out. */
export class MemoryMetadata implements Metadata {
  readonly #repositories = new Map<string, Repository>()

  async hasRepository(repository: string): Promise<boolean> {
    return this.#repositories.has(repository)
  }

  async countRepositories(): Promise<number> {
    return this.#repositories.size
  }

  async linkBlob(repository: string, digest: Digest): Promise<void> {
    this.#open(repository).blobs.add(digest)
  }

  async hasBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.#repositories.get(repository)?.blobs.has(digest) ?? false
  }

  async unlinkBlob(repository: string, digest: Digest): Promise<boolean> {
    return this.#repositories.get(repository)?.blobs.delete(digest) ?? false
  }

  async putManifest(repository: string, manifest: ManifestRecord, names: ManifestNames): Promise<void> {
    const { manifests, referrers, tags } = this.#open(repository)
    manifests.set(manifest.digest, manifest)
    for (const tag of names.tags) tags.set(tag, manifest.digest)
    if (manifest.subject === undefined || names.referrer === undefined) return
    const list = referrers.get(manifest.subject) ?? new Map<Digest, Descriptor>()
    referrers.set(manifest.subject, list.set(manifest.digest, names.referrer))
  }

  async manifest(repository: string, digest: Digest): Promise<ManifestRecord | undefined> {
    return this.#repositories.get(repository)?.manifests.get(digest)
  }

  async deleteManifest(repository: string, digest: Digest): Promise<boolean> {
    const found = this.#repositories.get(repository)
    const manifest = found?.manifests.get(digest)
    if (found === undefined || manifest === undefined) return false
    found.manifests.delete(digest)
    found.pulls.delete(digest)
    for (const [tag, named] of found.tags) if (named === digest) found.tags.delete(tag)
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
    return this.#repositories.get(repository)?.tags.get(tag)
  }

  async deleteTag(repository: string, tag: string): Promise<boolean> {
    return this.#repositories.get(repository)?.tags.delete(tag) ?? false
  }

  async tags(repository: string, page: Page): Promise<string[]> {
    const tags = this.#repositories.get(repository)?.tags ?? new Map<string, Digest>()
    const { after } = page
    return [...tags.keys()]
      .filter((tag) => after === undefined || tag > after)
      .sort()
      .slice(0, page.limit)
  }

  async *referrers(repository: string, subject: Digest, after?: string): AsyncGenerator<Descriptor, void, void> {
    const list = this.#repositories.get(repository)?.referrers.get(subject) ?? new Map<Digest, Descriptor>()
    for (const digest of [...list.keys()].sort()) {
      const descriptor = list.get(digest)
      if (descriptor !== undefined && (after === undefined || digest > after)) yield descriptor
    }
  }

  async close(): Promise<void> {
    this.#repositories.clear()
  }

  #open(name: string): Repository {
    const known = this.#repositories.get(name)
    if (known !== undefined) return known
    const made: Repository = {
      blobs: new Set(),
      manifests: new Map(),
      tags: new Map(),
      referrers: new Map(),
      pulls: new Map()
    }
    this.#repositories.set(name, made)
    return made
  }
}
