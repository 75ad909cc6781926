import { OciError } from './errors.ts'
import { isRepositoryName } from './reference.ts'

/** What a path under `/v2/` asks for (OCI Distribution 1.1, "Endpoints"). References and digests are not checked. */
export type DistributionRoute =
  | { readonly kind: 'base' }
  | { readonly kind: 'manifest'; readonly name: string; readonly reference: string }
  | { readonly kind: 'blob'; readonly name: string; readonly digest: string }
  | { readonly kind: 'uploads'; readonly name: string }
  | { readonly kind: 'upload'; readonly name: string; readonly id: string }
  | { readonly kind: 'tags'; readonly name: string }
  | { readonly kind: 'referrers'; readonly name: string; readonly digest: string }

const ROUTES: readonly [RegExp, (name: string, last: string) => DistributionRoute][] = [
  [/^(.+)\/blobs\/uploads\/?()$/, (name) => ({ kind: 'uploads', name })],
  [/^(.+)\/blobs\/uploads\/([^/]+)$/, (name, id) => ({ kind: 'upload', name, id })],
  [/^(.+)\/blobs\/([^/]+)$/, (name, digest) => ({ kind: 'blob', name, digest })],
  [/^(.+)\/manifests\/([^/]+)$/, (name, reference) => ({ kind: 'manifest', name, reference })],
  [/^(.+)\/tags\/list()$/, (name) => ({ kind: 'tags', name })],
  [/^(.+)\/referrers\/([^/]+)$/, (name, digest) => ({ kind: 'referrers', name, digest })]
]

/** How names may look. */
export interface DistributionPathOptions {
  /** Allow `host:port/` before the repository, as clients of a mirror may send it. @default false */
  readonly allowHost?: boolean
}

/**
 * Takes a decoded path without its query apart.
 *
 * @returns undefined when it is none of the specification's
 * @throws OciError `NAME_INVALID` when the repository cannot be called that
 */
export function parseDistributionPath(
  path: string,
  options: DistributionPathOptions = {}
): DistributionRoute | undefined {
  if (path === '/v2' || path === '/v2/') return { kind: 'base' }
  if (!path.startsWith('/v2/')) return undefined
  const rest = path.slice('/v2/'.length)
  for (const [pattern, route] of ROUTES) {
    const [, name, last] = pattern.exec(rest) ?? []
    if (name === undefined || last === undefined) continue
    return route(checked(name, options.allowHost ?? false), last)
  }
  return undefined
}

function checked(name: string, allowHost: boolean): string {
  const slash = name.indexOf('/')
  const hosted = allowHost && /^[\w.[\]:-]+$/.test(name.slice(0, Math.max(0, slash)))
  if (isRepositoryName(name) || (hosted && isRepositoryName(name.slice(slash + 1)))) return name
  throw new OciError('NAME_INVALID', `"${name.slice(0, 200)}" is not a repository name`)
}
