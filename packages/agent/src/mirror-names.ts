/** Which names a mirror answers for. */
export interface MirrorNames {
  /** Names, `host[:port]`, under which clients know the registry behind this mirror. */
  readonly registryNames: readonly string[]
}

/**
 * Finds the repository that a request means. Containerd says with `?ns=` which registry it wants; CRI-O and podman
 * put that registry's name before the repository's; a plain client says nothing and means the registry behind us.
 *
 * @returns undefined when another registry is meant
 */
export function resolveRepository(name: string, ns: string | undefined, names: MirrorNames): string | undefined {
  if (ns !== undefined) return names.registryNames.includes(ns) ? name : undefined
  const prefix = names.registryNames.find((registry) => name.startsWith(`${registry}/`))
  return prefix === undefined ? name : name.slice(prefix.length + 1)
}
