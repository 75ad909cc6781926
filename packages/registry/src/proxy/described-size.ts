import { type Digest, manifestReferences } from '@shoal/oci'
import type { ManifestReader } from '../artifacts/manifest-reader.ts'
import type { Metadata } from '../metadata.ts'

/** Manifests that are looked at for the size of a blob. */
const MANIFESTS_MAX = 5

/** How large a blob is, as the manifests of the repository have it, bytes; undefined when none of them names it. */
export async function describedSize(
  { metadata, reader }: { metadata: Pick<Metadata, 'manifest' | 'users'>; reader: Pick<ManifestReader, 'read'> },
  repository: string,
  digest: Digest
): Promise<number | undefined> {
  let manifests = 0
  for await (const user of metadata.users(repository, digest)) {
    if (++manifests > MANIFESTS_MAX) break
    const record = await metadata.manifest(repository, user)
    const read = record === undefined ? undefined : await reader.read(record)
    const part =
      read === undefined ? undefined : manifestReferences(read.manifest).find((each) => each.digest === digest)
    if (part !== undefined) return part.size
  }
  return undefined
}
