import type { Digest } from '@shoal/oci'
import type { BlobIndex, IndexEntry } from './blob-index.ts'
import type { StoreMetrics } from './metrics.ts'

/** What eviction needs of its store. */
export interface EvictionInit {
  readonly index: BlobIndex
  /** Bytes that may stay on disk; without a limit nothing is evicted. */
  readonly limitBytes: number | undefined
  /** Remove a blob unless it is used by now, and say whether it was removed. */
  readonly remove: (entry: IndexEntry) => Promise<boolean>
  readonly metrics: StoreMetrics
}

/**
 * Keeps the store below its limit by removing what was not used for longest. Blobs that are open, being read or
 * arriving are never removed, so that the limit can be passed while they are.
 */
export class Eviction {
  readonly #init: EvictionInit
  #running: Promise<void> | undefined

  constructor(init: EvictionInit) {
    this.#init = init
  }

  /**
   * Remove blobs until the limit holds or none is left that may go. `keep` stays in any case: what was just added
   * has to be there for whoever added it. Never throws: a blob that cannot be removed is counted and stays.
   */
  async run(keep?: Digest): Promise<void> {
    while (this.#running !== undefined) await this.#running
    if (!this.#over()) return
    this.#running = this.#evict(keep)
    try {
      await this.#running
    } finally {
      this.#running = undefined
    }
  }

  async #evict(keep: Digest | undefined): Promise<void> {
    const { index, metrics, remove } = this.#init
    const spared = new Set<Digest>(keep === undefined ? [] : [keep])
    while (this.#over()) {
      const entry = index.oldestUnused(spared)
      if (entry === undefined) return
      // Whatever happens, it is not looked at again in this round, which so comes to an end.
      spared.add(entry.digest)
      try {
        if (await remove(entry)) metrics.evicted(entry.bytes)
      } catch {
        metrics.evictionFailed()
      }
    }
  }

  #over(): boolean {
    const { index, limitBytes } = this.#init
    return limitBytes !== undefined && index.bytes > limitBytes
  }
}
