import {
  type Descriptor,
  type Digest,
  formatReference,
  type ImageManifest,
  manifestReferences,
  parseManifest,
  type Reference,
  type RegistryClient
} from '@shoal/oci'
import { CommandError } from '../errors.ts'
import { formatPlatform, type Platform } from '../values/platform.ts'
import { choosePlatform, listPlatforms } from './platform-choice.ts'

/** An index may point to indexes, but not without end. */
const MAX_INDEX_DEPTH = 4

/** An image of one platform, and all that has to be fetched for it. */
export interface Image {
  readonly descriptor: Descriptor
  readonly bytes: Uint8Array
  readonly manifest: ImageManifest
  /** Config and layers, each digest once. */
  readonly blobs: readonly Descriptor[]
  /** Bytes of the blobs and the manifest. */
  readonly size: number
}

/** What images and their blobs are asked from. */
export type ImageSource = Pick<RegistryClient, 'getManifest' | 'getBlob'>

export interface ResolveOptions {
  /** Registry that the source should ask for (`?ns=`); left out when the source is that registry. */
  readonly ns?: string
  readonly signal?: AbortSignal
}

/**
 * Asks for the manifest of a reference; from an index the one for `platform`.
 *
 * @throws CommandError when there is no such image, or none for the platform
 */
export async function resolveImage(
  source: ImageSource,
  reference: Reference,
  platform: Platform,
  options: ResolveOptions
): Promise<Image> {
  const name = formatReference(reference)
  let asked: string = reference.digest ?? reference.tag ?? 'latest'
  let chosen: Descriptor | undefined
  for (let depth = 0; depth < MAX_INDEX_DEPTH; depth++) {
    const answer = await source.getManifest(reference.repository, asked, options)
    if (answer === undefined) throw new CommandError(missing(name, chosen))
    const manifest = parseManifest(answer.bytes, answer.mediaType)
    if (manifest.kind === 'image') {
      const { mediaType, digest, bytes } = answer
      const own: Descriptor = { mediaType, digest, size: bytes.length }
      const descriptor = chosen?.platform === undefined ? own : { ...own, platform: chosen.platform }
      const blobs = uniqueBlobs(manifest)
      const size = blobs.reduce((sum, blob) => sum + blob.size, bytes.length)
      return { descriptor, bytes, manifest, blobs, size }
    }
    chosen = choosePlatform(manifest.manifests, platform)
    if (chosen === undefined) {
      throw new CommandError(
        `${name} has no image for ${formatPlatform(platform)}; give --platform with one of: ${listPlatforms(manifest.manifests)}`
      )
    }
    asked = chosen.digest
  }
  throw new CommandError(
    `${name} is an index of indexes more than ${MAX_INDEX_DEPTH} deep; pull an image in it by digest`
  )
}

function missing(name: string, chosen: Descriptor | undefined): string {
  if (chosen !== undefined) return `${name} names the manifest ${chosen.digest}, which is nowhere to be found`
  return `there is no ${name}; check the name, and that the registry has it and lets you read it`
}

function uniqueBlobs(manifest: ImageManifest): Descriptor[] {
  const byDigest = new Map<Digest, Descriptor>()
  for (const descriptor of manifestReferences(manifest)) {
    if (!byDigest.has(descriptor.digest)) byDigest.set(descriptor.digest, descriptor)
  }
  return [...byDigest.values()]
}
