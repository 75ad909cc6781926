import type { Digest } from '@shoal/oci'
import { KeyedLock } from './keyed-lock.ts'
import type { LeaseRecords } from './metadata.ts'

/** A lease is written down at most this often for a digest, so that the HEAD of a popular blob costs no write each. */
export const LEASE_GRANULARITY_MS = 10_000
/** Digests whose last use is remembered to the millisecond; of the others the written time counts. */
export const LEASES_IN_MEMORY_MAX = 50_000

/** Longest grace window: 30 days. */
export const GRACE_MAX_MS = 30 * 24 * 60 * 60_000

/** What leases are kept with. */
export interface LeasesInit {
  readonly records: LeaseRecords
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told when a lease could not be written. It still holds as long as the process. */
  readonly onError: (error: unknown) => void
}

interface Use {
  readonly at: number
  /** When it was written down last. */
  readonly written: number
}

/**
 * What was used lately and must not be removed: whoever pushes, mounts or asks for a digest may rely on it for the grace
 * window, though nothing refers to it yet. And the lock by which a removal and a use of one digest exclude each other
 * (docs/decisions/garbage-collection.md).
 */
export class Leases {
  readonly #init: LeasesInit
  readonly #uses = new Map<Digest, Use>()
  /** Requests under way for each digest. */
  readonly #held = new Map<Digest, number>()
  readonly #lock = new KeyedLock<Digest>()

  constructor(init: LeasesInit) {
    this.#init = init
  }

  /**
   * Do `work` while none of these digests is removed, and keep them for the grace window afterwards. A removal that is
   * under way ends first, so that what `work` finds to be there stays there.
   */
  async holding<T>(digests: readonly Digest[], work: () => Promise<T>): Promise<T> {
    const held = [...new Set(digests)]
    for (const digest of held) this.#held.set(digest, (this.#held.get(digest) ?? 0) + 1)
    // Holds at once. Only the answer waits for the disk.
    const noted = this.#note(held)
    try {
      for (const digest of held) await this.#lock.idle(digest)
      return await work()
    } finally {
      await noted
      await this.#note(held)
      for (const digest of held) {
        const left = (this.#held.get(digest) ?? 1) - 1
        if (left > 0) this.#held.set(digest, left)
        else this.#held.delete(digest)
      }
    }
  }

  /**
   * Keep a digest that was just found to be there for the grace window.
   *
   * @param durable whether to wait until the lease survives the process; without it, reading waits for no write
   * @returns whether it is still sure to be there: `false` when a removal was under way, and one has to look again
   */
  async extend(digest: Digest, durable: boolean): Promise<boolean> {
    const noted = this.#note([digest])
    if (durable) await noted
    if (!this.#lock.busy(digest)) return true
    await this.#lock.idle(digest)
    return false
  }

  /**
   * Remove something of a digest unless it is held, or was used within the grace window.
   *
   * @param graceMs 0 leaves alone only what a request uses at this moment
   * @param remove is called under the digest's lock: uses that begin now wait for its end
   * @returns whether `remove` was called and said so
   */
  async unlessHeld(digest: Digest, graceMs: number, remove: () => Promise<boolean>): Promise<boolean> {
    return await this.#lock.run(digest, async () => {
      if (graceMs > 0) {
        const last = await this.#lastUse(digest)
        if (last !== undefined && this.#init.now() - last < graceMs) return false
      }
      // Last, with nothing waited for behind it: who begins to hold it from now on waits for the lock.
      if (this.#held.has(digest)) return false
      return await remove()
    })
  }

  /** Forget a digest that is gone. To be called within `unlessHeld`. */
  async forget(digest: Digest): Promise<void> {
    this.#uses.delete(digest)
    try {
      await this.#init.records.delete([digest])
    } catch (error) {
      // It only costs its few bytes.
      this.#init.onError(error)
    }
  }

  /** Forget what no grace window can reach any more. To be called now and then. */
  async expire(): Promise<void> {
    const { now, records } = this.#init
    for await (const digest of records.before(now() - GRACE_MAX_MS - LEASE_GRANULARITY_MS)) {
      await this.#lock.run(digest, async () => {
        const at = this.#uses.get(digest)?.at
        if (at === undefined || now() - at >= GRACE_MAX_MS) await this.forget(digest)
      })
    }
  }

  async #lastUse(digest: Digest): Promise<number | undefined> {
    const use = this.#uses.get(digest)
    if (use !== undefined) return use.at
    const written = await this.#init.records.get(digest)
    return written === undefined ? undefined : written + LEASE_GRANULARITY_MS
  }

  /** Never throws. What it says holds in memory as soon as it is called. */
  async #note(digests: readonly Digest[]): Promise<void> {
    const { now, onError, records } = this.#init
    const at = now()
    const due: Digest[] = []
    for (const digest of digests) {
      const written = this.#uses.get(digest)?.written ?? Number.NEGATIVE_INFINITY
      const isDue = at - written >= LEASE_GRANULARITY_MS
      if (isDue) due.push(digest)
      this.#uses.delete(digest)
      this.#uses.set(digest, { at, written: isDue ? at : written })
    }
    try {
      if (due.length > 0) await records.put(due, at)
    } catch (error) {
      for (const digest of due) this.#uses.set(digest, { at, written: Number.NEGATIVE_INFINITY })
      onError(error)
    }
    for (const digest of this.#uses.keys()) {
      if (this.#uses.size <= LEASES_IN_MEMORY_MAX) break
      this.#uses.delete(digest)
    }
  }
}
