import assert from 'node:assert/strict'
import { it } from 'node:test'
import { type Digest, digestOf, MEDIA_TYPES, parseManifest } from '@shoal/oci'
import { INDEX_MANIFESTS_MAX, INDEX_MANIFESTS_MAX_BYTES, summarize } from '../src/artifacts/artifact-summary.ts'
import type { ManifestRecord } from '../src/metadata.ts'

it('looks into so many manifests of an index, and into so many bytes of them', async () => {
  const mediaType = MEDIA_TYPES.ociIndex
  const entryOf = (i: number): { mediaType: string; digest: Digest; size: number } => ({
    mediaType,
    digest: digestOf(Buffer.from(`${i}`)),
    size: 1
  })
  // Each index lists the next one, for ever.
  const readOf = (i: number) => {
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, manifests: [entryOf(i + 1)] }))
    return { manifest: parseManifest(bytes), platform: undefined }
  }
  for (const [size, expected] of [
    [1, INDEX_MANIFESTS_MAX],
    [4 * 1024 * 1024, INDEX_MANIFESTS_MAX_BYTES / (4 * 1024 * 1024)]
  ] as const) {
    let reads = 0
    const record = (of: Digest): ManifestRecord => ({ digest: of, mediaType, size, pushedAt: 0 })
    const reader = { read: async () => readOf(++reads) }
    const metadata = { manifest: async (_: string, of: Digest) => record(of) }
    const summary = await summarize({ metadata, reader }, 'app', record(entryOf(0).digest), readOf(0))
    assert.equal(reads, expected)
    assert.equal(summary.type, 'index')
  }
})
