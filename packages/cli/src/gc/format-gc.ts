import type { CollectionState } from '@shoal/registry'
import { formatBytes, formatShare } from '../progress/units.ts'

/** One line on how far a collection is. */
export function formatProgress({ dryRun, phase, progress, removed }: CollectionState): string {
  const share = progress.total === 0 ? 0 : progress.done / progress.total
  const what = phase === 'repositories' ? 'looking through repositories' : 'looking through blobs'
  const of = `${progress.done} of ${progress.total} (${formatShare(share)})`
  return `${what}: ${of}; ${dryRun ? 'would free' : 'freed'} ${formatBytes(removed.bytes)}`
}

/** What a collection did, or would do, for people. */
export function formatResult(state: CollectionState): string {
  const { dryRun, removals, removed, status } = state
  const lines = removals.map(({ digest, repository, tag }) => {
    const name = tag === undefined ? `${repository}@${digest}` : `${repository}:${tag}`
    return `${dryRun ? 'would remove' : 'removed'} ${name}`
  })
  const named = removals.length
  const unnamed = removed.tags + removed.manifests - named
  if (unnamed > 0) lines.push(`and ${unnamed} more`)
  const counts = [count(removed.tags, 'tag'), count(removed.manifests, 'manifest'), count(removed.blobs, 'blob')]
  const summary = `${counts.join(', ')}: ${formatBytes(removed.bytes)}`
  if (status === 'cancelled') lines.push(`cancelled; removed so far: ${summary}`)
  else if (dryRun) lines.push(`a collection would remove ${summary}`)
  else lines.push(`removed ${summary}`)
  return `${lines.join('\n')}\n`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}
