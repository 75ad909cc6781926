import { isIPv6 } from 'node:net'
import { notA, type ValueParser } from './value-parser.ts'

/** A TCP address to listen on or to dial. IPv6 hosts are without brackets here. Port 0 means a free one. */
export interface HostPort {
  readonly host: string
  readonly port: number
}

const MAX_PORT = 65535
const HOST_NAME = /^[a-z0-9_](?:[a-z0-9_.-]{0,251}[a-z0-9_])?$/i
const GIVE = 'HOST:PORT, such as 127.0.0.1:5050 or [::1]:5050'

/**
 * Reads `HOST:PORT`; an IPv6 host stands in brackets (RFC 3986, 3.2.2).
 *
 * @throws ValueError
 */
export function parseAddress(text: string): HostPort {
  const match = /^(?:\[([^\]]+)\]|([^[\]:]+)):(\d{1,5})$/.exec(text)
  const [, bracketed, plain, digits] = match ?? []
  const port = Number(digits)
  const host = bracketed ?? plain
  const sound = bracketed === undefined ? HOST_NAME.test(plain ?? '') : isIPv6(bracketed)
  if (host === undefined || !sound || port > MAX_PORT) throw notA('an address', text, GIVE)
  return { host, port }
}

/** The inverse of {@link parseAddress}. */
export function formatAddress(address: HostPort): string {
  return address.host.includes(':') ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`
}

/** The URL at which this machine reaches a listener: one on all addresses is reached on the loopback. */
export function loopbackUrl(address: HostPort): string {
  const everywhere: Readonly<Record<string, string>> = { '::': '127.0.0.1', '0.0.0.0': '127.0.0.1' }
  return `http://${formatAddress({ host: everywhere[address.host] ?? address.host, port: address.port })}`
}

export const ADDRESS: ValueParser<HostPort> = { placeholder: 'HOST:PORT', parse: parseAddress }
