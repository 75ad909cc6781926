import { type Digest, isRepositoryName } from '@shoal/oci'
import type { Metadata } from './metadata.ts'

/** Whether a repository of this name, which a client gave, has the blob. */
export async function isBlobOf(
  metadata: Pick<Metadata, 'hasBlob'>,
  repository: string,
  digest: Digest
): Promise<boolean> {
  return isRepositoryName(repository) && (await metadata.hasBlob(repository, digest))
}

/**
 * Whether any repository has it as a blob. That it is in the store is not enough: manifests are there too, and what
 * every repository has removed.
 */
export async function isBlobAnywhere(metadata: Pick<Metadata, 'holdings'>, digest: Digest): Promise<boolean> {
  for await (const { kind } of metadata.holdings(digest)) if (kind === 'blob') return true
  return false
}
