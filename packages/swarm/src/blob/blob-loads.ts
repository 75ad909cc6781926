import type { Digest } from '@shoal/oci'
import type { Link } from '../exchange/link.ts'
import { WireError } from '../wire.ts'

/** Frames of one peer that wait until it is known whether their blob is here; a peer that sends more is disconnected. */
export const MAX_DEFERRED_FRAMES = 8_192

/** Blobs that are looked for in the store because a peer speaks of them, and the frames that wait for that, in their order. */
export class BlobLoads {
  readonly #loading = new Map<Digest, Promise<void>>()
  readonly #deferred = new Map<Link, number>()
  readonly #onError: (error: unknown, digest: Digest) => void

  /** @param onError told of a blob that could not be looked for */
  constructor(onError: (error: unknown, digest: Digest) => void) {
    this.#onError = onError
  }

  has(digest: Digest): boolean {
    return this.#loading.has(digest)
  }

  /** Frames that wait. */
  get deferred(): number {
    return this.#deferred.values().reduce((sum, count) => sum + count, 0)
  }

  /** Looks for a blob, once at a time. */
  begin(digest: Digest, load: () => Promise<unknown>): void {
    if (this.#loading.has(digest)) return
    const loading = load()
      .catch((error: unknown) => this.#onError(error, digest))
      .then(() => {
        this.#loading.delete(digest)
      })
    this.#loading.set(digest, loading)
  }

  /**
   * Deals with a frame after those that wait for the same blob. What that throws closes the link.
   *
   * @returns false when nothing is waited for
   * @throws WireError when too many frames of that peer wait
   */
  defer(digest: Digest, link: Link, then: () => void): boolean {
    const loading = this.#loading.get(digest)
    if (loading === undefined) return false
    const before = this.#deferred.get(link) ?? 0
    if (before >= MAX_DEFERRED_FRAMES)
      throw new WireError('the peer speaks of blobs faster than they can be looked for')
    this.#deferred.set(link, before + 1)
    loading
      .then(() => {
        this.#settled(link)
        if (!link.closed) then()
      })
      .catch((error: unknown) => link.close(error instanceof Error ? error : new Error(String(error))))
    return true
  }

  /** Resolves when all that were begun are over. */
  async over(): Promise<void> {
    await Promise.allSettled(this.#loading.values())
  }

  #settled(link: Link): void {
    const left = (this.#deferred.get(link) ?? 1) - 1
    if (left === 0) this.#deferred.delete(link)
    else this.#deferred.set(link, left)
  }
}
