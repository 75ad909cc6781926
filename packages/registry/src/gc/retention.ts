import type { TagRecord } from '../metadata.ts'
import type { Retention } from '../policies.ts'

/** A tag with the time of its last use. */
export interface UsedTag extends TagRecord {
  /** When what it names was last pulled, milliseconds since 1970. */
  readonly pulledAt: number | undefined
}

/**
 * The tags of one repository that no rule keeps: neither among the latest so many, nor set or pulled lately enough.
 *
 * @param now milliseconds since 1970
 */
export function expiredTags<T extends UsedTag>(tags: readonly T[], retention: Retention, now: number): T[] {
  const { keepPulledMs, keepTags } = retention
  const latestFirst = [...tags].sort((a, b) => b.taggedAt - a.taggedAt || (a.tag < b.tag ? 1 : -1))
  const beyond = keepTags === undefined ? latestFirst : latestFirst.slice(keepTags)
  if (keepPulledMs === undefined) return beyond
  return beyond.filter(({ pulledAt = 0, taggedAt }) => now - Math.max(pulledAt, taggedAt) > keepPulledMs)
}
