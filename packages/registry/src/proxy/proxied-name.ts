import { DEFAULT_REGISTRY, isRepositoryName } from '@shoal/oci'

/** A repository of an upstream, and as what it is kept here. */
export interface ProxiedName {
  /** The upstream's host, as configured. */
  readonly host: string
  /** Its name there. */
  readonly repository: string
  /** Its name here: that of the upstream, a slash, and its name there. */
  readonly local: string
}

/**
 * The first part of the names under which an upstream's repositories are kept: its host, with a dash before the port,
 * since a repository name has no colon.
 *
 * @returns undefined for a host that cannot begin a repository name, such as an IPv6 address
 */
export function localPrefix(host: string): string | undefined {
  const prefix = host.toLowerCase().replace(':', '-')
  return isRepositoryName(prefix) ? prefix : undefined
}

/** The upstreams as agents have to know them. */
export function upstreamNames(upstreams: readonly { readonly host: string }[]): { host: string; prefix: string }[] {
  return upstreams.flatMap(({ host }) => {
    const prefix = localPrefix(host)
    return prefix === undefined ? [] : [{ host, prefix }]
  })
}

/**
 * Which upstream's repository a request means. Runtimes that know of mirrors say with `?ns=` which registry they want
 * (OCI distribution, "Registry Proxying"); the others put it before the repository.
 *
 * @returns undefined when it is none of theirs
 */
export function proxiedName(name: string, ns: string | undefined, hosts: Iterable<string>): ProxiedName | undefined {
  const all = upstreamNames([...hosts].map((host) => ({ host })))
  const named = all.find(({ host }) => host === ns)
  // Also where another registry is named: what is kept under this name is the upstream's and nobody else's.
  const found = named ?? all.find(({ prefix }) => name.startsWith(`${prefix}/`))
  if (found === undefined) return undefined
  const { host, prefix } = found
  const repository = official(host, named === undefined ? name.slice(prefix.length + 1) : name)
  return { host, repository, local: `${prefix}/${repository}` }
}

/** On Docker Hub an image without an owner is one of Docker's own. */
function official(host: string, repository: string): string {
  return host === DEFAULT_REGISTRY && !repository.includes('/') ? `library/${repository}` : repository
}
