import { type Digest, type Manifest, MEDIA_TYPES, type Platform, parseManifest } from '@shoal/oci'
import type { BlobStore } from '../blob-store.ts'
import { MANIFEST_MAX_BYTES } from '../manifest-handlers.ts'
import type { ManifestRecord } from '../metadata.ts'
import { readBlob } from './read-blob.ts'

/** Manifests that are kept parsed, because lists ask for them again and again. */
export const MANIFESTS_KEPT_MAX = 1000
/** Longer manifests are read each time, bytes: so what is kept stays within some 16 MiB of JSON. */
export const KEPT_MANIFEST_MAX_BYTES = 16 * 1024
/** Longer image configs are not read, bytes. */
export const CONFIG_MAX_BYTES = 1024 * 1024

/** What a manifest says, with what its config says. */
export interface ReadManifest {
  readonly manifest: Manifest
  /** What an image runs on, by its config; undefined for anything else. */
  readonly platform: Platform | undefined
}

/** Reads manifests from the store, for those who want to know what is in them. */
export class ManifestReader {
  readonly #store: Pick<BlobStore, 'open'>
  /** The last one used is the last one here. */
  readonly #kept = new Map<Digest, ReadManifest>()

  constructor(store: Pick<BlobStore, 'open'>) {
    this.#store = store
  }

  /** @returns undefined for a manifest that the store has lost */
  async read({ digest, mediaType, size }: ManifestRecord): Promise<ReadManifest | undefined> {
    const known = this.#kept.get(digest)
    if (known !== undefined) {
      this.#kept.delete(digest)
      this.#kept.set(digest, known)
      return known
    }
    const bytes = await readBlob(this.#store, digest, MANIFEST_MAX_BYTES)
    if (bytes === undefined) return undefined
    const manifest = parseManifest(bytes, mediaType)
    const config = await this.#config(manifest)
    const read = { manifest, platform: config === undefined ? undefined : platformOf(config) }
    // A config that is not here may come.
    const isLasting = config !== undefined || !hasImageConfig(manifest)
    if (isLasting && size <= KEPT_MANIFEST_MAX_BYTES) this.#keep(digest, read)
    return read
  }

  #keep(digest: Digest, read: ReadManifest): void {
    this.#kept.set(digest, read)
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MANIFESTS_KEPT_MAX && oldest !== undefined) this.#kept.delete(oldest)
  }

  async #config(manifest: Manifest): Promise<Uint8Array | undefined> {
    if (manifest.kind !== 'image' || !hasImageConfig(manifest)) return undefined
    return await readBlob(this.#store, manifest.config.digest, CONFIG_MAX_BYTES)
  }
}

function hasImageConfig(manifest: Manifest): boolean {
  const types: readonly string[] = [MEDIA_TYPES.ociConfig, MEDIA_TYPES.dockerConfig]
  return manifest.kind === 'image' && types.includes(manifest.config.mediaType)
}

/** The platform in an image's config. What is no config has none: whoever pushed it may have pushed anything. */
function platformOf(bytes: Uint8Array): Platform | undefined {
  let config: unknown
  try {
    config = JSON.parse(Buffer.from(bytes).toString('utf8'))
  } catch {
    return undefined
  }
  if (typeof config !== 'object' || config === null) return undefined
  const text = (name: string): string | undefined => {
    const value: unknown = Reflect.get(config, name)
    return typeof value === 'string' && value !== '' ? value : undefined
  }
  const os = text('os')
  const architecture = text('architecture')
  const variant = text('variant')
  const version = text('os.version')
  if (os === undefined || architecture === undefined) return undefined
  return {
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    ...(version === undefined ? {} : { 'os.version': version })
  }
}
