import { type BlobSource, type ContentStore, SINGLE_CHUNK_MAX_BYTES } from '@shoal/content'
import type { Digest } from '@shoal/oci'
import { type AgentSwarm, BlobNotFoundError } from '@shoal/swarm'
import type { BlobResult } from './agent-metrics.ts'
import type { BlobName, BlobNames } from './blob-names.ts'
import type { UpstreamFetcher } from './upstream-fetcher.ts'

/** A blob that cannot be opened by then, all tries together, is not coming. Containerd waits 30 s for headers. */
export const OPEN_TIMEOUT_MS = 20_000
const ATTEMPTS = 3

/** A blob to read from, and how it was come by. */
export interface FetchedBlob {
  readonly source: BlobSource
  readonly result: Extract<BlobResult, 'hit' | 'joined' | 'fetched'>
}

/** What fetching needs. */
export interface BlobFetcherInit {
  readonly store: Pick<ContentStore, 'stat' | 'open'>
  readonly swarm: Pick<AgentSwarm, 'fetch' | 'transfers'>
  readonly names: BlobNames
  /** Has the registry fetch what is an upstream's; undefined where nothing is. */
  readonly upstream?: Pick<UpstreamFetcher, 'open'> | undefined
}

/** Gives blobs to read: from the store, from a download under way, or from a new one. */
export class BlobFetcher {
  readonly #init: BlobFetcherInit

  constructor(init: BlobFetcherInit) {
    this.#init = init
  }

  /** Size of a blob that is whole in the store. */
  stat(digest: Digest): Promise<{ readonly size: number } | undefined> {
    return this.#init.store.stat(digest)
  }

  /**
   * Opens a blob for reading, while it may still be coming in.
   *
   * @param name under which the registry serves it, for when no peer can
   * @returns undefined when nobody has it
   * @throws DownloadStalledError, StoreFullError, or the signal's reason
   */
  async open(digest: Digest, name: BlobName, options?: { signal?: AbortSignal }): Promise<FetchedBlob | undefined> {
    const { names, store, swarm, upstream } = this.#init
    names.set(digest, name)
    const timeout = AbortSignal.timeout(OPEN_TIMEOUT_MS)
    const signal = options?.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
    for (let attempt = 1; ; attempt++) {
      const whole = await store.open(digest)
      if (whole !== undefined) return { source: whole, result: 'hit' }
      const isUnderWay = swarm.transfers.some((transfer) => transfer.digest === digest)
      const arriving = isUnderWay ? undefined : await upstream?.open(digest, name, signal)
      if (arriving !== undefined) return { source: arriving, result: 'fetched' }
      const result = swarm.transfers.some((transfer) => transfer.digest === digest) ? 'joined' : 'fetched'
      try {
        return { source: await this.#fetch(digest, signal), result }
      } catch (error) {
        if (error instanceof BlobNotFoundError) return undefined
        if (attempt === ATTEMPTS || signal.aborted) throw error
      }
    }
  }

  async #fetch(digest: Digest, signal: AbortSignal): Promise<BlobSource> {
    const source = await this.#init.swarm.fetch(digest, { signal })
    if (source.size > SINGLE_CHUNK_MAX_BYTES) return source
    // The size of a blob of one chunk is only a peer's word until the chunk has come and was right: it must not be
    // passed on. Nobody has to wait until the blob is durable.
    try {
      await source.available(0, { signal })
      return source
    } catch (error) {
      await source.close()
      throw error
    }
  }
}
