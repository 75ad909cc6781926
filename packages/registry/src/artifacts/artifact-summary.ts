import { type Descriptor, type Digest, manifestReferences, type Platform } from '@shoal/oci'
import type { ManifestRecord, Metadata } from '../metadata.ts'
import { artifactTypeOf } from './artifact-type.ts'
import type { ManifestReader, ReadManifest } from './manifest-reader.ts'

/** Type of an index whose manifests are not all of one type. */
export const INDEX_TYPE = 'index'
/** Manifests of an index that are looked into, those of the indexes within it included. What is beyond counts by its descriptor. */
export const INDEX_MANIFESTS_MAX = 1000
/** Bytes of such manifests that are looked into: one has up to 4 MiB. */
export const INDEX_MANIFESTS_MAX_BYTES = 32 * 1024 * 1024

/** What is found out about an artifact by looking into it and all that it is made of. */
export interface ArtifactSummary {
  readonly type: string
  readonly platforms: readonly Platform[]
  /** Bytes of the manifest and of everything that it references, each digest once, wherever it is. */
  readonly size: number
}

/** What summaries are made from. */
export interface SummaryInit {
  readonly metadata: Pick<Metadata, 'manifest'>
  readonly reader: Pick<ManifestReader, 'read'>
}

/** Sum up an artifact of a repository. Only the repository's own manifests are looked into. */
export async function summarize(
  init: SummaryInit,
  repository: string,
  record: ManifestRecord,
  { manifest, platform }: ReadManifest
): Promise<ArtifactSummary> {
  const walk = new Walk(init, repository)
  walk.count(record)
  await walk.through(manifestReferences(manifest), manifest.kind === 'index')
  const [childType, otherType] = walk.types
  const shared = otherType === undefined ? childType : undefined
  const type = artifactTypeOf(manifest) ?? shared ?? INDEX_TYPE
  const platforms = manifest.kind === 'index' ? walk.platforms : platform === undefined ? [] : [platform]
  return { type, platforms: [...new Map(platforms.map((each) => [platformKey(each), each])).values()], size: walk.size }
}

/** One way through an index and the indexes within. */
class Walk {
  readonly #init: SummaryInit
  readonly #repository: string
  readonly #sizes = new Map<Digest, number>()
  readonly platforms: Platform[] = []
  readonly types = new Set<string>()
  #left = INDEX_MANIFESTS_MAX
  #bytesLeft = INDEX_MANIFESTS_MAX_BYTES

  constructor(init: SummaryInit, repository: string) {
    this.#init = init
    this.#repository = repository
  }

  get size(): number {
    let sum = 0
    for (const size of this.#sizes.values()) sum += size
    return sum
  }

  /** @returns whether it is new */
  count({ digest, size }: { readonly digest: Digest; readonly size: number }): boolean {
    if (this.#sizes.has(digest)) return false
    this.#sizes.set(digest, size)
    return true
  }

  /** A stack instead of a recursion: indexes may be nested as deep as somebody likes. */
  async through(references: readonly Descriptor[], areManifests: boolean): Promise<void> {
    const stack = references.map((descriptor) => ({ descriptor, isManifest: areManifests })).reverse()
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const { descriptor, isManifest } = next
      if (!this.count(descriptor) || !isManifest) continue
      const inner = await this.#inner(descriptor)
      const platform = descriptor.platform ?? inner?.platform
      // Attestations of builds are listed under the platform "unknown".
      const isReal = platform !== undefined && platform.os !== 'unknown'
      if (isReal) this.platforms.push(platform)
      if (inner === undefined) continue
      const type = artifactTypeOf(inner.manifest)
      if (type !== undefined && (isReal || platform === undefined)) this.types.add(type)
      const isIndex = inner.manifest.kind === 'index'
      const parts = manifestReferences(inner.manifest).map((part) => ({ descriptor: part, isManifest: isIndex }))
      stack.push(...parts.reverse())
    }
  }

  async #inner({ digest }: Descriptor): Promise<ReadManifest | undefined> {
    if (this.#left <= 0) return undefined
    const record = await this.#init.metadata.manifest(this.#repository, digest)
    if (record === undefined || record.size > this.#bytesLeft) return undefined
    this.#left--
    this.#bytesLeft -= record.size
    return await this.#init.reader.read(record)
  }
}

function platformKey(platform: Platform): string {
  return JSON.stringify([platform.os, platform.architecture, platform.variant, platform['os.version']])
}
