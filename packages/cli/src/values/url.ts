import { notA, type ValueParser } from './value-parser.ts'

/**
 * Reads the address of an HTTP server: scheme, host and maybe a port, nothing after it.
 *
 * @returns the URL without a slash at its end
 * @throws ValueError
 */
export function parseServerUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const sound =
    url !== undefined &&
    (url.protocol === 'http:' || url.protocol === 'https:') &&
    url.hostname !== '' &&
    url.username === '' &&
    url.password === '' &&
    url.pathname === '/' &&
    url.search === '' &&
    url.hash === ''
  if (!sound) throw notA('a server URL', withoutSecret(text), 'scheme, host and port, such as http://127.0.0.1:5050')
  return url.origin
}

/** A password in a URL must not reach a log by way of an error message. */
function withoutSecret(text: string): string {
  return text.replace(/\/\/[^/@]*@/, '//…@')
}

export const SERVER_URL: ValueParser<string> = { placeholder: 'URL', parse: parseServerUrl }
