import { type Digest, isRepositoryName, OciError, parseDigest } from '@shoal/oci'

/** What a path under `/api/v1/repositories/` asks for. */
export interface ArtifactPath {
  readonly repository: string
  /** Of one artifact; undefined for the list of all. */
  readonly digest?: Digest
}

/**
 * Takes what is behind `/api/v1/repositories/` apart. Repository names have slashes, and may have a part `artifacts` like
 * any other: the last one counts, or the last but one before a digest.
 *
 * @param rest decoded
 * @returns undefined when it is no path of ours
 * @throws OciError `NAME_INVALID`, `DIGEST_INVALID`
 */
export function parseArtifactPath(rest: string): ArtifactPath | undefined {
  const [, listed] = /^(.+)\/artifacts$/.exec(rest) ?? []
  if (listed !== undefined) return { repository: repositoryName(listed) }
  const [, repository, digest] = /^(.+)\/artifacts\/([^/]+)$/.exec(rest) ?? []
  if (repository === undefined || digest === undefined) return undefined
  return { repository: repositoryName(repository), digest: parseDigest(digest) }
}

function repositoryName(text: string): string {
  if (isRepositoryName(text)) return text
  throw new OciError('NAME_INVALID', `"${text.slice(0, 200)}" is not a repository name`)
}
