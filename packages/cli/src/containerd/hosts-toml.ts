import { createHash } from 'node:crypto'
import type { RegistryHost } from './registry-host.ts'

const MARK = '# Written by "shoal node configure"; undo with "shoal node restore". sha256:'

/**
 * The text of a `hosts.toml` that sends pulls to the agent first.
 *
 * Kept to what every containerd since 1.6 reads: a capability that it does not know makes it ignore the file, so `referrers` (2.2)
 * is not among them. `server` is the registry itself, to which containerd falls through; without it (for `_default`) containerd
 * takes the registry in the image's name.
 *
 * @param agent base URL of the agent's mirror
 */
export function formatHostsToml(agent: string, registry: RegistryHost | undefined): string {
  const server = registry === undefined ? '' : `server = ${tomlString(registry.server)}\n\n`
  const body = `${server}[host.${tomlString(agent)}]\n  capabilities = ["pull", "resolve"]\n`
  return `${MARK}${checksum(body)}\n${body}`
}

/** Whose file it is: ours as we wrote it, ours but changed since by somebody, or somebody else's. */
export function hostsTomlOrigin(text: string): 'ours' | 'changed' | 'foreign' {
  if (!text.startsWith(MARK)) return 'foreign'
  const end = text.indexOf('\n')
  return text.slice(MARK.length, end) === checksum(text.slice(end + 1)) ? 'ours' : 'changed'
}

function checksum(body: string): string {
  return createHash('sha256').update(body).digest('hex')
}

/** A TOML basic string. JSON's escapes are a part of TOML's. */
function tomlString(text: string): string {
  return JSON.stringify(text)
}
