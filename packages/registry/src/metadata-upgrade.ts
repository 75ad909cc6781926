import { type Digest, manifestReferences, OciError, parseManifest } from '@shoal/oci'
import type { BlobStore } from './blob-store.ts'
import type { ManifestRecord, Metadata } from './metadata.ts'

/** What metadata has to have: since 2, the indices that garbage collection looks at. */
export const METADATA_VERSION = 2
const NOTE = 'version'

/**
 * Bring metadata that an earlier version wrote up to date, by putting everything into it again. Can be interrupted and
 * begun again. Does nothing where nothing is to be done.
 */
export async function upgradeMetadata(metadata: Metadata, store: Pick<BlobStore, 'open' | 'stat'>): Promise<void> {
  if ((await metadata.notes.get(NOTE)) === METADATA_VERSION) return
  for await (const repository of metadata.repositories()) {
    const tags = await tagsOf(metadata, repository)
    for await (const digest of metadata.blobs(repository)) {
      await metadata.linkBlob(repository, digest, (await store.stat(digest))?.size ?? 0)
    }
    for await (const manifest of metadata.manifests(repository)) {
      const references = await referencesOf(manifest, store)
      await metadata.putManifest(repository, manifest, { references, tags: tags.get(manifest.digest) ?? [] })
    }
  }
  await metadata.notes.put(NOTE, METADATA_VERSION)
}

async function tagsOf(metadata: Metadata, repository: string): Promise<Map<Digest, string[]>> {
  const tags = new Map<Digest, string[]>()
  for (const tag of await metadata.tags(repository, { limit: Number.MAX_SAFE_INTEGER })) {
    const digest = await metadata.tag(repository, tag)
    if (digest !== undefined) tags.set(digest, [...(tags.get(digest) ?? []), tag])
  }
  return tags
}

/** A manifest whose bytes are gone keeps nothing. */
async function referencesOf(
  { digest, mediaType, size }: ManifestRecord,
  store: Pick<BlobStore, 'open'>
): Promise<Digest[]> {
  const source = await store.open(digest)
  if (source === undefined) return []
  try {
    const bytes = Buffer.alloc(size)
    for (let at = 0; at < size; ) at += await source.read(bytes.subarray(at), at)
    return manifestReferences(parseManifest(bytes, mediaType)).map((descriptor) => descriptor.digest)
  } catch (error) {
    if (error instanceof OciError) return []
    throw error
  } finally {
    await source.close()
  }
}
