import type { UpstreamConfig } from '@shoal/registry'
import { ConfigurationError, describeError } from '../errors.ts'
import { type OptionValues, repeated, structure } from '../options/option.ts'
import { UPSTREAM, UPSTREAMS, type UpstreamEntry } from '../values/upstreams.ts'
import type { CommandContext } from './command.ts'

/** Options of `shoal registry` about registries whose images it caches. */
export const UPSTREAM_OPTIONS = {
  upstream: repeated(UPSTREAM, 'a registry whose images are pulled through and cached, such as docker.io'),
  upstreams: structure(UPSTREAMS, 'the same with credentials, patterns and limits: see docs/operations.md')
} as const

/**
 * The upstreams that were given, with their secrets read.
 *
 * @throws ConfigurationError when one is given twice, or a file cannot be read
 */
export async function upstreamsFrom(
  values: OptionValues<typeof UPSTREAM_OPTIONS>,
  context: Pick<CommandContext, 'readFile'>
): Promise<readonly UpstreamConfig[]> {
  const entries = [...(values.upstreams ?? []), ...values.upstream]
  const prefixes = new Set<string>()
  for (const { host } of entries) {
    // They are kept under names without a colon.
    const prefix = host.replace(':', '-')
    if (prefixes.has(prefix)) throw new ConfigurationError('upstreams', `there is more than one ${host}; give it once`)
    prefixes.add(prefix)
  }
  return await Promise.all(entries.map(async (entry) => await withSecrets(entry, context)))
}

async function withSecrets(entry: UpstreamEntry, context: Pick<CommandContext, 'readFile'>): Promise<UpstreamConfig> {
  const { caFile, passwordFile, plainHttp: _, username, ...config } = entry
  const read = async (file: string, key: string): Promise<string> => {
    try {
      return await context.readFile(file)
    } catch (cause) {
      const reason = `cannot read ${file}: ${describeError(cause)}; give a file that this user can read`
      throw new ConfigurationError(`upstreams: ${entry.host}: ${key}`, reason, { cause })
    }
  }
  const password = passwordFile === undefined ? undefined : (await read(passwordFile, 'password-file')).trim()
  return {
    ...config,
    ...(username === undefined || password === undefined ? {} : { credentials: { username, password } }),
    ...(caFile === undefined ? {} : { caBundle: await read(caFile, 'ca-file') })
  }
}
