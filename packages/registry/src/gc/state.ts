/** What a collection is asked to do. */
export interface CollectionOptions {
  /** Only say what would be removed. */
  readonly dryRun: boolean
  /** Remove manifests without a tag everywhere, not just where a policy says so. */
  readonly untagged: boolean
  /** What was used within this time stays, milliseconds. */
  readonly graceMs: number
}

/** Where a collection is. */
export type CollectionStatus = 'running' | 'done' | 'cancelled' | 'failed'

/** What a collection removed, or would remove. */
export interface CollectionCounts {
  readonly tags: number
  readonly manifests: number
  /** Blobs taken out of a repository that has no use for them. */
  readonly links: number
  /** Blobs, manifests among them, removed from the store. */
  readonly blobs: number
  /** Their size. */
  readonly bytes: number
}

/** Something that a collection removed from a repository, or would remove. */
export interface Removal {
  readonly repository: string
  readonly tag?: string
  readonly digest: string
}

/** A collection as `GET /api/v1/gc` shows it, and as it is kept so that it goes on after a crash. */
export interface CollectionState {
  readonly id: string
  readonly status: CollectionStatus
  readonly dryRun: boolean
  readonly untagged: boolean
  readonly graceSeconds: number
  /** RFC 3339. */
  readonly startedAt: string
  readonly endedAt?: string
  /** First the repositories are gone through, then the store. */
  readonly phase: 'repositories' | 'blobs'
  readonly progress: { readonly done: number; readonly total: number }
  /** The last repository that was gone through. */
  readonly repository?: string
  readonly removed: CollectionCounts
  /** Tags and manifests among them, the first `REMOVALS_MAX`. */
  readonly removals: readonly Removal[]
  readonly error?: string
}

/** Tags and manifests that a collection names. */
export const REMOVALS_MAX = 1000
