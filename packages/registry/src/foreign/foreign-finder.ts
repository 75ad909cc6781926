import { type Digest, manifestReferences } from '@shoal/oci'
import type { ManifestReader } from '../artifacts/manifest-reader.ts'
import type { Metadata } from '../metadata.ts'
import type { ForeignSource } from './foreign-layers.ts'

/** Manifests that are looked at for the urls of a layer. */
export const FOREIGN_MANIFESTS_MAX = 10
/** URLs of one layer that are tried. */
export const FOREIGN_URLS_MAX = 5

/** What is looked through. */
export interface ForeignFinderInit {
  readonly metadata: Pick<Metadata, 'manifest' | 'users'>
  readonly reader: Pick<ManifestReader, 'read'>
}

/**
 * Where a layer is to be had, as the manifests of the repository have it: what no manifest there names is nothing to be
 * fetched for it. Where manifests differ about the size, the first one counts.
 */
export async function findForeign(
  { metadata, reader }: ForeignFinderInit,
  repository: string,
  digest: Digest
): Promise<ForeignSource | undefined> {
  const urls = new Set<string>()
  let size: number | undefined
  let manifests = 0
  for await (const user of metadata.users(repository, digest)) {
    if (++manifests > FOREIGN_MANIFESTS_MAX || urls.size >= FOREIGN_URLS_MAX) break
    const record = await metadata.manifest(repository, user)
    const read = record === undefined ? undefined : await reader.read(record)
    if (read?.manifest.kind !== 'image') continue
    for (const part of manifestReferences(read.manifest)) {
      if (part.digest !== digest || part.urls === undefined) continue
      size ??= part.size
      if (part.size === size) for (const url of part.urls) urls.add(url)
    }
  }
  return size === undefined || urls.size === 0
    ? undefined
    : { digest, size, urls: [...urls].slice(0, FOREIGN_URLS_MAX) }
}
