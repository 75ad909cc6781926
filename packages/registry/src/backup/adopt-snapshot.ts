import type { Digest } from '@shoal/oci'
import { each } from '../gc/each.ts'
import type { Metadata, SnapshotRecord, TagRecord } from '../metadata.ts'

/** Manifests and blobs that are written at a time: they share the sync of the disk. */
const CONCURRENCY = 64

type ManifestEntry = Extract<SnapshotRecord, { kind: 'manifest' }>

interface Repository {
  readonly name: string
  readonly blobs: Map<Digest, number>
  readonly manifests: Map<Digest, ManifestEntry>
  readonly tags: TagRecord[]
}

/**
 * Makes metadata what a snapshot says, and removes what it does not name. What is the same already is not written again, and
 * a tag moves before what it named is removed: whoever pulls meanwhile finds the old image or the new one.
 *
 * @param records repository by repository, as `MetadataSnapshot.records` gives them
 */
export async function adoptSnapshot(metadata: Metadata, records: AsyncIterable<SnapshotRecord>): Promise<void> {
  const named = new Set<string>()
  for await (const repository of repositories(records)) {
    named.add(repository.name)
    await put(metadata, repository)
    await removeOthers(metadata, repository)
  }
  for (const name of await Array.fromAsync(metadata.repositories())) {
    if (!named.has(name)) await removeOthers(metadata, empty(name))
  }
}

async function* repositories(records: AsyncIterable<SnapshotRecord>): AsyncGenerator<Repository, void, void> {
  let current: Repository | undefined
  for await (const record of records) {
    if (current?.name !== record.repository) {
      if (current !== undefined) yield current
      current = empty(record.repository)
    }
    if (record.kind === 'blob') current.blobs.set(record.digest, record.size)
    if (record.kind === 'manifest') current.manifests.set(record.manifest.digest, record)
    if (record.kind === 'tag') current.tags.push(record.tag)
  }
  if (current !== undefined) yield current
}

function empty(name: string): Repository {
  return { name, blobs: new Map(), manifests: new Map(), tags: [] }
}

async function put(metadata: Metadata, { name, blobs, manifests, tags }: Repository): Promise<void> {
  await each(listed(blobs.entries()), CONCURRENCY, async ([digest, size]) => {
    if (!(await metadata.hasBlob(name, digest))) await metadata.linkBlob(name, digest, size)
  })
  const tagsOf = Map.groupBy(tags, ({ digest }) => digest)
  await each(listed(manifests.values()), CONCURRENCY, async (entry) => {
    await putManifest(metadata, name, entry, tagsOf.get(entry.manifest.digest) ?? [])
  })
}

async function putManifest(
  metadata: Metadata,
  name: string,
  entry: ManifestEntry,
  tags: readonly TagRecord[]
): Promise<void> {
  const { manifest, references, referrer, pulledAt } = entry
  const { digest } = manifest
  const before = await metadata.manifest(name, digest)
  const had = new Map(
    (await Array.fromAsync(metadata.tagged(name, digest))).map(({ tag, taggedAt }) => [tag, taggedAt])
  )
  const moved = tags.filter(({ tag, taggedAt }) => had.get(tag) !== taggedAt)
  const names = { references, ...(referrer === undefined ? {} : { referrer }) }
  // A tag is as old as the manifest that it was pushed with, which may have been pushed again since.
  for (const { tag, taggedAt } of moved) {
    await metadata.putManifest(name, { ...manifest, pushedAt: taggedAt }, { ...names, tags: [tag] })
  }
  if (moved.length > 0 || before?.pushedAt !== manifest.pushedAt) {
    await metadata.putManifest(name, manifest, { ...names, tags: [] })
  }
  if (pulledAt !== undefined && (await metadata.pulledAt(name, digest)) !== pulledAt) {
    await metadata.recordPulls([{ repository: name, digest, pulledAt }])
  }
}

async function removeOthers(metadata: Metadata, { name, blobs, manifests, tags }: Repository): Promise<void> {
  const kept = new Set(tags.map(({ tag }) => tag))
  for (const { tag } of await Array.fromAsync(metadata.tagged(name))) {
    if (!kept.has(tag)) await metadata.deleteTag(name, tag)
  }
  for (const { digest } of await Array.fromAsync(metadata.manifests(name))) {
    if (!manifests.has(digest)) await metadata.deleteManifest(name, digest)
  }
  for (const digest of await Array.fromAsync(metadata.blobs(name))) {
    if (!blobs.has(digest)) await metadata.unlinkBlob(name, digest)
  }
}

async function* listed<T>(items: Iterable<T>): AsyncGenerator<T, void, void> {
  yield* items
}
