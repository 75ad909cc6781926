import type { BlobSource } from '@shoal/content'
import { type Digest, type Manifest, manifestReferences, OciError, parseManifest } from '@shoal/oci'
import type { AgentSwarm, Logger } from '@shoal/swarm'
import type { BlobFetcher } from './blob-fetcher.ts'
import type { ImagePrefetcher } from './image-prefetcher.ts'

/** Larger manifests are refused: clients would refuse them too (OCI Distribution, "Pushing Manifests"). */
export const MAX_MANIFEST_BYTES = 4 * 1024 * 1024

/** A manifest, byte for byte. */
export interface FetchedManifest {
  readonly digest: Digest
  readonly mediaType: string
  readonly bytes: Uint8Array
  readonly manifest: Manifest
}

/** What fetching manifests needs. */
export interface ManifestFetcherInit {
  readonly blobs: BlobFetcher
  readonly swarm: Pick<AgentSwarm, 'expect' | 'provideImage'>
  /** Starts on the blobs of images before they are asked for; undefined for not doing so. */
  readonly prefetcher: ImagePrefetcher | undefined
  readonly logger: Logger
}

/** Fetches manifests the way blobs are fetched, and lets the mesh know what will be wanted next. */
export class ManifestFetcher {
  readonly #init: ManifestFetcherInit

  constructor(init: ManifestFetcherInit) {
    this.#init = init
  }

  /**
   * @returns undefined when nobody has it
   * @throws OciError `MANIFEST_INVALID` when the digest is not that of a manifest
   */
  async fetch(
    repository: string,
    digest: Digest,
    options?: { signal?: AbortSignal }
  ): Promise<FetchedManifest | undefined> {
    const fetched = await this.#init.blobs.open(digest, { repository, kind: 'manifest' }, options)
    if (fetched === undefined) return undefined
    const bytes = await readAll(fetched.source, options?.signal)
    const manifest = parseManifest(bytes)
    if (fetched.result === 'fetched') this.#init.swarm.provideImage(digest)
    this.#announce(digest, manifest)
    return { digest, mediaType: manifest.mediaType, bytes, manifest }
  }

  /** A manifest is on its way to a client, which will ask for the blobs that it names. */
  served(repository: string, { manifest }: FetchedManifest): void {
    if (manifest.kind === 'image') this.#init.prefetcher?.prefetch(repository, manifest)
  }

  /** The blobs of an image will be asked for next: find their peers now, in one go. */
  #announce(digest: Digest, manifest: Manifest): void {
    if (manifest.kind !== 'image') return
    const blobs = manifestReferences(manifest).map((descriptor) => descriptor.digest)
    this.#init.swarm.expect(digest, blobs)
    this.#init.logger.debug({ image: digest, blobs: blobs.length }, 'an image is being pulled')
  }
}

async function readAll(source: BlobSource, signal: AbortSignal | undefined): Promise<Uint8Array> {
  try {
    if (source.size > MAX_MANIFEST_BYTES) {
      throw new OciError(
        'MANIFEST_INVALID',
        `${source.digest} has ${source.size} bytes, which is too much for a manifest`
      )
    }
    const bytes = new Uint8Array(source.size)
    for (let at = 0; at < bytes.length; ) {
      await source.available(at, signal === undefined ? {} : { signal })
      at += await source.read(bytes.subarray(at), at)
    }
    return bytes
  } finally {
    await source.close()
  }
}
