import { type Digest, OciError } from '@shoal/oci'
import { KeyedLock } from './keyed-lock.ts'
import type { Holding, Metadata } from './metadata.ts'
import type { Policies, Policy } from './policies.ts'

/** What quotas are kept with. */
export interface QuotasInit {
  readonly metadata: Pick<Metadata, 'blobs' | 'holdings' | 'manifests' | 'repositories'>
  readonly policies: Policies
}

interface Account {
  readonly prefix: string
  readonly quotaBytes: number
  usedBytes: number
}

/** How full a quota is. */
export interface QuotaUsage {
  readonly prefix: string
  readonly quotaBytes: number
  readonly usedBytes: number
}

/**
 * Counts what the repositories of a prefix have, and lets it not grow beyond the quota. A blob counts once for a prefix,
 * however many of its repositories have it. The sums are in memory and made at start, so that they cannot drift.
 */
export class Quotas {
  readonly #metadata: QuotasInit['metadata']
  readonly #accounts: readonly Account[]
  /** Whether a prefix has a digest must not change between the look and the write. */
  readonly #lock = new KeyedLock<Digest>()

  constructor({ metadata, policies }: QuotasInit) {
    this.#metadata = metadata
    this.#accounts = policies.quotas.map(({ prefix, quotaBytes = 0 }: Policy) => ({ prefix, quotaBytes, usedBytes: 0 }))
  }

  get usage(): readonly QuotaUsage[] {
    return this.#accounts.map((account) => ({ ...account }))
  }

  /** Add up what is there. To be called before anything else. */
  async count(): Promise<void> {
    if (this.#accounts.length === 0) return
    for await (const repository of this.#metadata.repositories()) {
      const accounts = this.#of(repository)
      if (accounts.length === 0) continue
      for await (const digest of this.#metadata.blobs(repository)) {
        await this.#countOne(accounts, repository, digest, 'blob')
      }
      for await (const { digest } of this.#metadata.manifests(repository)) {
        await this.#countOne(accounts, repository, digest, 'manifest')
      }
    }
  }

  /** Bytes that a repository may still grow by; infinite without a quota. */
  room(repository: string): number {
    return Math.min(
      Number.POSITIVE_INFINITY,
      ...this.#of(repository).map(({ quotaBytes, usedBytes }) => quotaBytes - usedBytes)
    )
  }

  /** The error for a repository that may not grow by so many bytes. */
  exceeded(repository: string, bytes: number): OciError {
    const [account] = this.#of(repository).filter(({ quotaBytes, usedBytes }) => usedBytes + bytes > quotaBytes)
    const { prefix = '', quotaBytes = 0, usedBytes = 0 } = account ?? {}
    const message = `${bytes} bytes more do not fit into the quota of ${prefix === '' ? 'this registry' : prefix}: ${usedBytes} of ${quotaBytes} bytes are used; delete something and collect garbage, or have the quota raised`
    return new OciError('DENIED', message, { detail: { prefix, quotaBytes, usedBytes, bytes } })
  }

  /**
   * Do what gives a repository `size` bytes under `digest`, if the quota has room for them.
   *
   * @throws OciError `DENIED` when it has not; nothing is done then
   */
  async adding<T>(repository: string, digest: Digest, size: number, write: () => Promise<T>): Promise<T> {
    const accounts = this.#of(repository)
    if (accounts.length === 0) return await write()
    return await this.#lock.run(digest, async () => {
      const grows: Account[] = []
      for (const account of accounts) if (!(await this.#has(account, digest))) grows.push(account)
      // Looking and reserving is one step, so that those who come at the same time do not pass together.
      if (grows.some(({ quotaBytes, usedBytes }) => usedBytes + size > quotaBytes)) {
        throw this.exceeded(repository, size)
      }
      for (const account of grows) account.usedBytes += size
      try {
        return await write()
      } catch (error) {
        for (const account of grows) account.usedBytes -= size
        throw error
      }
    })
  }

  /** Do what takes `digest` from a repository. */
  async removing(repository: string, digest: Digest, write: () => Promise<boolean>): Promise<boolean> {
    const accounts = this.#of(repository)
    if (accounts.length === 0) return await write()
    return await this.#lock.run(digest, async () => {
      const size = await this.#size(digest)
      if (!(await write())) return false
      for (const account of accounts) if (!(await this.#has(account, digest))) account.usedBytes -= size
      return true
    })
  }

  #of(repository: string): Account[] {
    return this.#accounts.filter(({ prefix }) => repository.startsWith(prefix))
  }

  async #has({ prefix }: Account, digest: Digest): Promise<boolean> {
    for await (const _ of this.#metadata.holdings(digest, prefix)) return true
    return false
  }

  async #size(digest: Digest): Promise<number> {
    for await (const { size } of this.#metadata.holdings(digest)) return size
    return 0
  }

  /** The first of those that have a digest counts it. */
  async #countOne(
    accounts: readonly Account[],
    repository: string,
    digest: Digest,
    kind: Holding['kind']
  ): Promise<void> {
    for (const account of accounts) {
      for await (const first of this.#metadata.holdings(digest, account.prefix)) {
        if (first.repository === repository && first.kind === kind) account.usedBytes += first.size
        break
      }
    }
  }
}
