import type { Digest } from '@shoal/oci'
import type { Holding, ManifestRecord, Metadata, TagRecord } from '../metadata.ts'

type References = Pick<Metadata, 'holdings' | 'manifest' | 'tagged' | 'users'>

/**
 * What refers to what. A dry run notes here what it would remove, so that the consequences show: what that alone kept is
 * garbage too.
 */
export class Garbage {
  readonly #metadata: References
  readonly #removed = new Set<string>()

  constructor(metadata: References) {
    this.#metadata = metadata
  }

  /** Think a tag away. */
  removeTag(repository: string, { digest, tag }: TagRecord): void {
    this.#removed.add(tagKey(repository, digest, tag))
  }

  /** Think a blob or a manifest of a repository away. */
  remove(kind: Holding['kind'], repository: string, digest: Digest): void {
    this.#removed.add(holdingKey(kind, repository, digest))
  }

  /** Whether it is thought away. */
  isRemoved(kind: Holding['kind'], repository: string, digest: Digest): boolean {
    return this.#removed.has(holdingKey(kind, repository, digest))
  }

  /** Whether a tag, an index that lists it, or its subject keeps a manifest. */
  async isManifestReferenced(repository: string, { digest, subject }: ManifestRecord): Promise<boolean> {
    if (subject !== undefined && (await this.#hasManifest(repository, subject))) return true
    for await (const { tag } of this.#metadata.tagged(repository, digest)) {
      if (!this.#removed.has(tagKey(repository, digest, tag))) return true
    }
    return await this.isUsed(repository, digest)
  }

  /** Whether a manifest of the repository has it among its references. */
  async isUsed(repository: string, digest: Digest): Promise<boolean> {
    for await (const user of this.#metadata.users(repository, digest)) {
      if (!this.isRemoved('manifest', repository, user)) return true
    }
    return false
  }

  /** Whether any repository has it. */
  async isHeld(digest: Digest): Promise<boolean> {
    for await (const { kind, repository } of this.#metadata.holdings(digest)) {
      if (!this.isRemoved(kind, repository, digest)) return true
    }
    return false
  }

  async #hasManifest(repository: string, digest: Digest): Promise<boolean> {
    if (this.isRemoved('manifest', repository, digest)) return false
    return (await this.#metadata.manifest(repository, digest)) !== undefined
  }
}

function tagKey(repository: string, digest: Digest, tag: string): string {
  return `${repository}:${digest}:${tag}`
}

function holdingKey(kind: Holding['kind'], repository: string, digest: Digest): string {
  return `${kind} ${repository}:${digest}`
}
