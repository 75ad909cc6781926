import type { ContentStore } from '@shoal/content'
import { type Descriptor, type ImageManifest, manifestReferences } from '@shoal/oci'
import type { AgentSwarm, Logger } from '@shoal/swarm'
import type { BlobNames } from './blob-names.ts'
import type { UpstreamFetcher } from './upstream-fetcher.ts'

/** Blobs of one image that are fetched before they are asked for. The swarm bounds how many wait and run over all. */
export const MAX_IMAGE_PREFETCHES = 64

/** What prefetching needs. */
export interface ImagePrefetcherInit {
  readonly store: Pick<ContentStore, 'stat'>
  readonly swarm: Pick<AgentSwarm, 'prefetch'>
  readonly names: BlobNames
  readonly logger: Logger
  /** Has the registry fetch what is an upstream's. */
  readonly upstream?: Pick<UpstreamFetcher, 'expect'> | undefined
  /** Whether a repository is one of an upstream. @default none is */
  readonly upstreams?: { includes(repository: string): boolean } | undefined
}

/** Starts on the config and the layers of an image whose manifest a client has been given. */
export class ImagePrefetcher {
  readonly #init: ImagePrefetcherInit

  constructor(init: ImagePrefetcherInit) {
    this.#init = init
  }

  /** @param repository in which the registry serves the image */
  prefetch(repository: string, manifest: ImageManifest): void {
    const blobs = manifestReferences(manifest).filter(isHere).slice(0, MAX_IMAGE_PREFETCHES)
    this.#start(repository, blobs).catch((error: unknown) => {
      this.#init.logger.debug({ error, repository }, 'the blobs of an image cannot be fetched ahead')
    })
  }

  async #start(repository: string, blobs: readonly Descriptor[]): Promise<void> {
    const { names, store, swarm, upstream, upstreams } = this.#init
    const isProxied = upstreams?.includes(repository) === true
    for (const { digest } of blobs) {
      if ((await store.stat(digest)) !== undefined) continue
      names.set(digest, { repository, kind: 'blob' })
      // What is not at the registry yet would not be found in the mesh.
      if (isProxied) upstream?.expect(digest, repository)
      else swarm.prefetch(digest)
    }
  }
}

/** Foreign layers are fetched from their own `urls`; a registry need not have them. */
function isHere({ urls }: Descriptor): boolean {
  return urls === undefined || urls.length === 0
}
