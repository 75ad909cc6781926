import { isIP } from 'node:net'

/** Addresses of a peer's lane that are tried. */
const MAX_TARGETS = 4

/** A TCP address. */
export interface LaneTarget {
  readonly host: string
  readonly port: number
}

/** The host and port of a TCP multiaddr in text form; undefined for any other. */
export function parseTcpMultiaddr(text: string): LaneTarget | undefined {
  const [, kind, host, transport, portText] = text.split('/')
  const port = Number(portText)
  if (host === undefined || transport !== 'tcp' || !Number.isInteger(port) || port < 1 || port > 65_535)
    return undefined
  const family = isIP(host)
  const fits = kind === 'ip4' ? family === 4 : kind === 'ip6' ? family === 6 : kind === 'dns' && host !== ''
  return fits ? { host, port } : undefined
}

/**
 * Where to dial a peer's lane: first at the host that libp2p reaches it at, because many nodes have addresses, such as
 * those of a container bridge, that lead somewhere else from here.
 */
export function dialTargets(addresses: readonly string[], known: string | undefined): LaneTarget[] {
  const targets = addresses.map(parseTcpMultiaddr).filter((target) => target !== undefined)
  const [first] = targets
  if (first !== undefined && known !== undefined)
    targets.unshift(targets.find(({ host }) => host === known) ?? { host: known, port: first.port })
  const seen = new Set<string>()
  return targets
    .filter(({ host, port }) => {
      const name = `${host} ${port}`
      return !seen.has(name) && seen.add(name) !== undefined
    })
    .slice(0, MAX_TARGETS)
}
