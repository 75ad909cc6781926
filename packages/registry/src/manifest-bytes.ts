import { type Descriptor, type Digest, digestAlgorithm, type Manifest } from '@shoal/oci'
import type { BlobStore } from './blob-store.ts'

/** Keep the bytes of a manifest, which are in memory. */
export async function storeBytes(
  store: Pick<BlobStore, 'ingest' | 'stat'>,
  digest: Digest,
  bytes: Uint8Array
): Promise<void> {
  if ((await store.stat(digest)) !== undefined) return
  const ingest = await store.ingest({ size: bytes.length, algorithm: digestAlgorithm(digest) })
  try {
    await ingest.append(once(bytes))
    await ingest.finish(digest)
  } finally {
    await ingest.abort()
  }
}

/** How a manifest is listed among the referrers of its subject (OCI distribution, "Listing Referrers"). */
export function referrerOf(manifest: Manifest, digest: Digest, size: number): Descriptor {
  const { annotations, mediaType } = manifest
  const config = manifest.kind === 'image' ? manifest.config.mediaType : undefined
  const artifactType = manifest.artifactType ?? config
  return {
    mediaType,
    digest,
    size,
    ...(artifactType === undefined ? {} : { artifactType }),
    ...(annotations === undefined ? {} : { annotations })
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield bytes
}
