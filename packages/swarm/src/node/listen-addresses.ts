import { BlockList, isIP } from 'node:net'
import { networkInterfaces } from 'node:os'

/** Where to listen: a host and a port; without a host, every address of this machine that is not public. */
export interface ListenAddress {
  readonly host?: string | undefined
  readonly port: number
}

const PRIVATE = new BlockList()
for (const [network, prefix] of [
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8]
] as const) {
  PRIVATE.addSubnet(network, prefix, 'ipv4')
}
PRIVATE.addSubnet('fc00::', 7, 'ipv6')
PRIVATE.addAddress('::1', 'ipv6')

/** Whether an address is of a private network or the loopback (RFC 1918, 4193, 6598). */
export function isPrivateAddress(address: string): boolean {
  const family = isIP(address)
  return family !== 0 && PRIVATE.check(address, family === 4 ? 'ipv4' : 'ipv6')
}

/** An address and a port as a TCP multiaddr in text form. */
export function tcpMultiaddr(address: string, port: number): string {
  const family = isIP(address)
  const kind = family === 4 ? 'ip4' : family === 6 ? 'ip6' : 'dns'
  return `/${kind}/${address}/tcp/${port}`
}

/** The hosts to listen on. `::` stands for every address of both families. */
export function listenHosts(listen: ListenAddress): string[] {
  const { host } = listen
  if (host === '::') return ['::', '0.0.0.0']
  if (host !== undefined) return [host]
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return addresses.map(({ address }) => address).filter(isPrivateAddress)
}

/** The same as multiaddrs. */
export function listenMultiaddrs(listen: ListenAddress): string[] {
  return listenHosts(listen).map((host) => tcpMultiaddr(host, listen.port))
}

/** The addresses of this machine that an address listened on stands for: itself, or all of its family. */
export function concreteHosts(address: string): string[] {
  if (address !== '::' && address !== '0.0.0.0') return [address]
  const family = address === '::' ? 'IPv6' : 'IPv4'
  const addresses = Object.values(networkInterfaces()).flatMap((entries) => entries ?? [])
  return addresses.filter((entry) => entry.family === family).map((entry) => entry.address)
}

/**
 * What to tell others of the addresses that we listen on: loopback only when there is nothing else, because on
 * another machine it leads back to that machine.
 */
export function announceable(multiaddrs: readonly string[]): string[] {
  const isLoopback = (multiaddr: string) => /^\/(ip4\/127\.|ip6\/::1\/)/.test(multiaddr)
  const others = multiaddrs.filter((multiaddr) => !isLoopback(multiaddr))
  return others.length > 0 ? others : [...multiaddrs]
}

/** The host in a multiaddr; undefined when it begins with something else. */
export function hostOf(multiaddr: string): string | undefined {
  return /^\/(?:ip4|ip6|dns[46]?)\/([^/]+)/.exec(multiaddr)?.[1]
}
