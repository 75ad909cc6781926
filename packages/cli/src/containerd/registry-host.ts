import { formatAddress, parseAddress } from '../values/address.ts'
import { notA, type ValueParser } from '../values/value-parser.ts'

/** A registry whose images the mirror serves, and where containerd goes when the mirror has not got one. */
export interface RegistryHost {
  /** Name in image references, `host` or `host:port`; the folder's name too. */
  readonly name: string
  /** Base URL of the registry itself. */
  readonly server: string
}

/** Docker Hub answers on another name than the one in references. */
const DOCKER_HUB_NAMES: readonly string[] = ['docker.io', 'index.docker.io', 'registry-1.docker.io']
const DOCKER_HUB: RegistryHost = { name: 'docker.io', server: 'https://registry-1.docker.io' }
const LOCAL = /^(?:localhost|127\.\d+\.\d+\.\d+|\[::1\])(?::\d+)?$/

/**
 * Reads a registry's `HOST[:PORT]`, with `http://` or `https://` before it when the scheme is not the one containerd would take:
 * HTTP on the loopback, HTTPS elsewhere.
 *
 * @throws ValueError
 */
export function parseRegistryHost(text: string): RegistryHost {
  const [, scheme, rest = ''] = /^(?:(https?):\/\/)?(.*?)\/?$/s.exec(text) ?? []
  const name = hostName(rest)
  if (name === undefined) throw notA('a registry', text, 'HOST[:PORT], such as docker.io or registry.example:5000')
  if (DOCKER_HUB_NAMES.includes(name)) return DOCKER_HUB
  return { name, server: `${scheme ?? (LOCAL.test(name) ? 'http' : 'https')}://${name}` }
}

function hostName(text: string): string | undefined {
  const withPort = /:\d+$/.test(text) ? text : `${text}:0`
  try {
    const { host, port } = parseAddress(withPort)
    if (port !== 0) return formatAddress({ host: host.toLowerCase(), port })
    return text === withPort ? undefined : host.includes(':') ? `[${host}]` : host.toLowerCase()
  } catch {
    return undefined
  }
}

export const REGISTRY_HOST: ValueParser<RegistryHost> = { placeholder: 'HOST', parse: parseRegistryHost }
