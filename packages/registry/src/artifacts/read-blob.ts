import type { Digest } from '@shoal/oci'
import type { BlobStore } from '../blob-store.ts'

/** A small blob as a whole; undefined when it is not in the store, or has more than `limit` bytes. */
export async function readBlob(
  store: Pick<BlobStore, 'open'>,
  digest: Digest,
  limit: number
): Promise<Uint8Array | undefined> {
  const source = await store.open(digest)
  if (source === undefined) return undefined
  try {
    if (source.size > limit) return undefined
    const bytes = new Uint8Array(source.size)
    let position = 0
    while (position < bytes.length) {
      const read = await source.read(bytes.subarray(position), position)
      if (read === 0) throw new Error(`${digest} ended after ${position} of ${bytes.length} bytes`)
      position += read
    }
    return bytes
  } finally {
    await source.close()
  }
}
