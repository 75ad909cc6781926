import type { Digest } from '@shoal/oci'

/** Digests whose repository is remembered. */
const MAX_NAMES = 50_000

/** Under which name the registry serves a digest. */
export interface BlobName {
  readonly repository: string
  readonly kind: 'blob' | 'manifest'
}

/**
 * Remembers in which repository a digest was asked for: peers trade by digest alone, the registry's HTTP interface
 * wants a repository.
 */
export class BlobNames {
  readonly #names = new Map<Digest, BlobName>()

  set(digest: Digest, name: BlobName): void {
    this.#names.delete(digest)
    this.#names.set(digest, name)
    const oldest = this.#names.keys().next().value
    if (this.#names.size > MAX_NAMES && oldest !== undefined) this.#names.delete(oldest)
  }

  get(digest: Digest): BlobName | undefined {
    return this.#names.get(digest)
  }
}
