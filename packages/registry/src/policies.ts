/** What holds for the repositories whose names begin with a prefix. */
export interface Policy {
  /** `team/` for all of a team, an empty one for every repository. */
  readonly prefix: string
  /** Tags beyond the so many latest are removed by garbage collection. */
  readonly keepTags?: number
  /** Tags that were neither pulled nor set for so long are removed by garbage collection, milliseconds. */
  readonly keepPulledMs?: number
  /** Tags that cannot be moved or removed once they are set. `*` stands for any characters, `?` for one. */
  readonly immutableTags?: readonly string[]
  /** Bytes that the repositories may have together; what several of them have counts once. */
  readonly quotaBytes?: number
  /** Whether garbage collection removes manifests without a tag. @default true where tags are removed, as asked elsewhere */
  readonly deleteUntagged?: boolean
}

/** Which tags of a repository may go: those that no given rule keeps. */
export interface Retention {
  readonly keepTags?: number
  readonly keepPulledMs?: number
}

/**
 * The policies of a registry. Each setting of a repository is that of the longest prefix that has it; quotas hold all at
 * the same time.
 */
export class Policies {
  /** Longest prefix first. */
  readonly #policies: readonly Policy[]
  readonly #immutable = new Map<Policy, readonly RegExp[]>()

  constructor(policies: readonly Policy[]) {
    this.#policies = [...policies].sort((a, b) => b.prefix.length - a.prefix.length)
    for (const policy of policies) this.#immutable.set(policy, (policy.immutableTags ?? []).map(globPattern))
  }

  /** The policies with a quota. */
  get quotas(): readonly Policy[] {
    return this.#policies.filter(({ quotaBytes }) => quotaBytes !== undefined)
  }

  /** Which tags of a repository garbage collection keeps; undefined when it keeps all. */
  retention(repository: string): Retention | undefined {
    const found = this.#of(repository).find(
      ({ keepPulledMs, keepTags }) => keepTags !== undefined || keepPulledMs !== undefined
    )
    if (found === undefined) return undefined
    const { keepPulledMs, keepTags } = found
    return {
      ...(keepTags === undefined ? {} : { keepTags }),
      ...(keepPulledMs === undefined ? {} : { keepPulledMs })
    }
  }

  /** Whether a tag may neither be moved nor removed. */
  isImmutable(repository: string, tag: string): boolean {
    const found = this.#of(repository).find(({ immutableTags }) => immutableTags !== undefined)
    const patterns = found === undefined ? [] : (this.#immutable.get(found) ?? [])
    return patterns.some((pattern) => pattern.test(tag))
  }

  /** Whether garbage collection removes manifests without a tag from a repository. */
  deletesUntagged(repository: string): boolean {
    const found = this.#of(repository).find(({ deleteUntagged }) => deleteUntagged !== undefined)
    return found?.deleteUntagged ?? this.retention(repository) !== undefined
  }

  #of(repository: string): readonly Policy[] {
    return this.#policies.filter(({ prefix }) => repository.startsWith(prefix))
  }
}

/** What a pattern with `*` and `?` means. */
export function globPattern(glob: string): RegExp {
  const source = glob
    .replaceAll(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll(/\*+/g, '.*')
    .replaceAll('?', '.')
  return new RegExp(`^${source}$`)
}
