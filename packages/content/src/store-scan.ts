import { rm, stat } from 'node:fs/promises'
import type { Digest } from '@shoal/oci'
import type { BlobIndex, IndexEntry } from './blob-index.ts'
import { errorCode } from './files.ts'
import type { Layout } from './layout.ts'
import type { BlobRecord, Metadata } from './metadata.ts'

/**
 * Fill the index with what is on disk. Files decide: one without metadata was made whole and is taken in again,
 * metadata without a file is dropped.
 */
export async function scanStore(layout: Layout, metadata: Metadata, index: BlobIndex): Promise<void> {
  const records = await metadata.records()
  const found = new Map<Digest, IndexEntry>()
  for await (const digests of layout.blobFiles()) {
    const entries = await Promise.all(digests.map(async (digest) => await wholeEntry(layout, digest, records)))
    for (const entry of entries) if (entry !== undefined) found.set(entry.digest, entry)
  }
  for await (const digests of layout.partialFiles()) {
    for (const digest of digests) {
      const entry = await partialEntry(layout, digest, found.has(digest))
      if (entry !== undefined) found.set(digest, entry)
    }
  }
  for (const entry of [...found.values()].sort((a, b) => a.accessedAt - b.accessedAt)) index.set(entry)
  for (const digest of records.keys()) if (index.whole(digest) === undefined) await metadata.deleteRecord(digest)
  const known: ReadonlySet<string> = new Set(found.keys())
  for await (const digest of metadata.mapped()) if (!known.has(digest)) await metadata.delete(digest)
}

async function wholeEntry(
  layout: Layout,
  digest: Digest,
  records: ReadonlyMap<Digest, BlobRecord>
): Promise<IndexEntry | undefined> {
  const path = layout.blob(digest)
  const found = await stat(path).catch((error: unknown) => {
    if (layout.isBorrowed && errorCode(error) === 'ENOENT') return undefined
    throw error
  })
  if (found === undefined) return undefined
  const { size, mtimeMs } = found
  const record = records.get(digest)
  if (record !== undefined && record.size !== size && !layout.isBorrowed) {
    // It was whole once. Whatever cut it since, it is not this blob any more.
    await rm(path, { force: true })
    return undefined
  }
  return { digest, whole: true, bytes: size, accessedAt: record?.accessedAt ?? mtimeMs }
}

async function partialEntry(layout: Layout, digest: Digest, whole: boolean): Promise<IndexEntry | undefined> {
  const path = layout.partial(digest)
  if (whole) {
    await rm(path, { force: true })
    return undefined
  }
  const { blocks, mtimeMs, size } = await stat(path)
  return { digest, whole: false, bytes: Math.min(size, blocks * STAT_BLOCK_BYTES), accessedAt: mtimeMs }
}

/** Unit of `stat().blocks` (POSIX leaves it open, Linux fixes it). */
const STAT_BLOCK_BYTES = 512
