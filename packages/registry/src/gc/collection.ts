import type { Digest } from '@shoal/oci'
import type { BlobStore } from '../blob-store.ts'
import type { Holdings } from '../holdings.ts'
import type { Leases } from '../leases.ts'
import type { ManifestRecord, Metadata } from '../metadata.ts'
import type { Policies, Retention } from '../policies.ts'
import type { PullTimes } from '../pull-times.ts'
import { each } from './each.ts'
import { Garbage } from './garbage.ts'
import { expiredTags } from './retention.ts'
import { type CollectionCounts, type CollectionState, REMOVALS_MAX, type Removal } from './state.ts'

/** Things looked at, and removed, at a time. Writes that come together share a sync. */
export const COLLECTION_CONCURRENCY = 8

/** What a collection works on. */
export interface CollectionInit {
  readonly store: Pick<BlobStore, 'delete' | 'list' | 'usage'>
  readonly metadata: Metadata
  readonly holdings: Pick<Holdings, 'removeBlob' | 'removeManifest'>
  readonly leases: Pick<Leases, 'expire' | 'forget' | 'unlessHeld'>
  readonly policies: Policies
  readonly pulls: Pick<PullTimes, 'last'>
  /** Milliseconds since 1970. */
  readonly now: () => number
}

/**
 * One collection of garbage. It stops nobody: each thing is looked at and removed by itself, under the lock of its digest
 * and only while no lease holds it (docs/decisions/garbage-collection.md). So it can be ended anywhere, and begun again.
 */
export class Collection {
  readonly #init: CollectionInit
  readonly #garbage: Garbage
  readonly #graceMs: number
  #state: CollectionState

  /** @param state where to begin: of a new collection, or of one that was interrupted */
  constructor(init: CollectionInit, state: CollectionState) {
    this.#init = init
    this.#state = state
    this.#graceMs = state.graceSeconds * 1000
    this.#garbage = new Garbage(init.metadata)
  }

  /** Where it is now. */
  get state(): CollectionState {
    return this.#state
  }

  /** Go on to the end. @throws the signal's reason, and what the store or the metadata throw */
  async run(signal: AbortSignal): Promise<void> {
    const { metadata, store } = this.#init
    if (this.#state.phase === 'repositories') {
      const total = await metadata.countRepositories()
      this.#state = { ...this.#state, progress: { ...this.#state.progress, total } }
      // One at a time, so that no list stays open for the hours that this may take.
      for (let repository = await this.#next(); repository !== undefined; repository = await this.#next()) {
        await this.#collectRepository(repository, signal)
        const done = this.#state.progress.done + 1
        this.#state = { ...this.#state, repository, progress: { done, total: Math.max(done, total) } }
      }
    }
    this.#state = { ...this.#state, phase: 'blobs', progress: { done: 0, total: store.usage.blobs } }
    await each(store.list(), COLLECTION_CONCURRENCY, async (info) => {
      signal.throwIfAborted()
      await this.#collectBlob(info.digest, info.size)
      const done = this.#state.progress.done + 1
      this.#state = { ...this.#state, progress: { done, total: Math.max(done, this.#state.progress.total) } }
    })
    await this.#init.leases.expire()
  }

  async #next(): Promise<string | undefined> {
    for await (const repository of this.#init.metadata.repositories(this.#state.repository)) return repository
    return undefined
  }

  async #collectRepository(repository: string, signal: AbortSignal): Promise<void> {
    const { metadata, policies } = this.#init
    const retention = policies.retention(repository)
    if (retention !== undefined) await this.#expireTags(repository, retention, signal)
    if (this.#state.untagged || policies.deletesUntagged(repository)) {
      // What an index or a subject kept is garbage once that is gone, so it takes as many rounds as they are deep.
      for (let removed = -1; removed !== this.#state.removed.manifests; ) {
        removed = this.#state.removed.manifests
        await each(metadata.manifests(repository), COLLECTION_CONCURRENCY, async (manifest) => {
          signal.throwIfAborted()
          await this.#collectManifest(repository, manifest, retention)
        })
      }
    }
    await each(metadata.blobs(repository), COLLECTION_CONCURRENCY, async (digest) => {
      signal.throwIfAborted()
      await this.#collectLink(repository, digest)
    })
  }

  /** The tags of one repository are in memory together. */
  async #expireTags(repository: string, retention: Retention, signal: AbortSignal): Promise<void> {
    const { metadata, now, policies, pulls } = this.#init
    const tags = []
    for await (const record of metadata.tagged(repository)) {
      signal.throwIfAborted()
      tags.push({ ...record, pulledAt: await pulls.last(repository, record.digest) })
    }
    for (const { pulledAt: _, ...record } of expiredTags(tags, retention, now())) {
      signal.throwIfAborted()
      if (policies.isImmutable(repository, record.tag)) continue
      if (this.#state.dryRun) this.#garbage.removeTag(repository, record)
      else if (!(await metadata.deleteTag(repository, record.tag, record))) continue
      this.#count({ tags: 1 }, { repository, tag: record.tag, digest: record.digest })
    }
  }

  async #collectManifest(repository: string, manifest: ManifestRecord, retention: Retention | undefined) {
    const { holdings, leases, metadata, now } = this.#init
    const { digest } = manifest
    const isGarbage = async (record: ManifestRecord | undefined): Promise<boolean> =>
      record !== undefined &&
      now() - record.pushedAt >= this.#graceMs &&
      !this.#garbage.isRemoved('manifest', repository, digest) &&
      !(await this.#garbage.isManifestReferenced(repository, record)) &&
      !(await this.#isPulled(repository, digest, retention))
    if (!(await isGarbage(manifest))) return
    await leases.unlessHeld(digest, this.#graceMs, async () => {
      if (!(await isGarbage(await metadata.manifest(repository, digest)))) return false
      if (this.#state.dryRun) this.#garbage.remove('manifest', repository, digest)
      else await holdings.removeManifest(repository, digest)
      this.#count({ manifests: 1 }, { repository, digest })
      return true
    })
  }

  /** Where pulls keep tags, they keep manifests that are pulled by digest too. */
  async #isPulled(repository: string, digest: Digest, retention: Retention | undefined): Promise<boolean> {
    const { now, pulls } = this.#init
    if (retention?.keepPulledMs === undefined) return false
    const pulledAt = await pulls.last(repository, digest)
    return pulledAt !== undefined && now() - pulledAt <= retention.keepPulledMs
  }

  async #collectLink(repository: string, digest: Digest): Promise<void> {
    const { holdings, leases } = this.#init
    if (await this.#garbage.isUsed(repository, digest)) return
    await leases.unlessHeld(digest, this.#graceMs, async () => {
      if (await this.#garbage.isUsed(repository, digest)) return false
      if (this.#state.dryRun) this.#garbage.remove('blob', repository, digest)
      else if (!(await holdings.removeBlob(repository, digest))) return false
      this.#count({ links: 1 })
      return true
    })
  }

  async #collectBlob(digest: Digest, size: number): Promise<void> {
    const { leases, store } = this.#init
    if (await this.#garbage.isHeld(digest)) return
    await leases.unlessHeld(digest, this.#graceMs, async () => {
      if (await this.#garbage.isHeld(digest)) return false
      if (!this.#state.dryRun) {
        if (!(await store.delete(digest))) return false
        await leases.forget(digest)
      }
      this.#count({ blobs: 1, bytes: size })
      return true
    })
  }

  #count(more: Partial<CollectionCounts>, removal?: Removal): void {
    const { removals, removed } = this.#state
    this.#state = {
      ...this.#state,
      removed: {
        tags: removed.tags + (more.tags ?? 0),
        manifests: removed.manifests + (more.manifests ?? 0),
        links: removed.links + (more.links ?? 0),
        blobs: removed.blobs + (more.blobs ?? 0),
        bytes: removed.bytes + (more.bytes ?? 0)
      },
      removals: removal === undefined || removals.length >= REMOVALS_MAX ? removals : [...removals, removal]
    }
  }
}
