import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import { type ConnectionOptions, RegistryUnreachableError } from '@shoal/oci'
import { isPublicAddress, publicOnly } from '../foreign/public-address.ts'

/**
 * Where requests to an upstream may go: to the upstream itself, and from there by redirect or for a token to public
 * addresses, or to any if the upstream is at a private one itself. From https never to http. So an upstream that is on
 * the Internet cannot make this registry ask what only this registry can reach.
 *
 * Whether it is private is settled when its name is first looked up: it cannot become so later.
 */
export function upstreamGuard(
  base: URL,
  lookup: LookupFunction = systemLookup
): Pick<ConnectionOptions, 'check' | 'lookup'> {
  const own = hostOf(base)
  let isPrivate = isIP(own) === 0 ? undefined : !isPublicAddress(own)
  const elsewhere = publicOnly(lookup)
  return {
    lookup(hostname, options, callback) {
      if (hostname === own && isPrivate === undefined) {
        lookup(hostname, { ...options, all: true }, (error, found) => {
          const all = Array.isArray(found) ? found : []
          const [first] = all
          if (error !== null || first === undefined)
            return callback(error ?? new Error(`no address of ${hostname}`), [])
          isPrivate ??= all.every(({ address }) => !isPublicAddress(address))
          if (options.all === true) callback(null, all)
          else callback(null, first.address, first.family)
        })
      } else if (hostname === own || isPrivate === true) lookup(hostname, options, callback)
      else elsewhere(hostname, options, callback)
    },
    check(url) {
      const host = hostOf(url)
      const refuse = (why: string): never => {
        throw new RegistryUnreachableError(base.host, `it sends us to ${url.host}, ${why}`)
      }
      if (url.protocol !== 'https:' && url.protocol !== base.protocol) refuse('which is not https')
      if (url.username !== '' || url.password !== '') refuse('with credentials in the URL')
      // A literal address is not looked up, so that it has to be looked at here.
      if (host !== own && isPrivate !== true && isIP(host) !== 0 && !isPublicAddress(host)) {
        refuse('which is not a public address')
      }
    }
  }
}

function hostOf(url: URL): string {
  return url.hostname.replace(/^\[(.*)\]$/, '$1')
}
