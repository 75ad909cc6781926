import { parseRegistryHost } from '../containerd/registry-host.ts'
import { parseDuration } from './duration.ts'
import { type EntryList, parseEntries } from './entries.ts'
import { jsonText, someText, wholeNumber, yesOrNo } from './json-values.ts'
import { parseRate } from './size.ts'
import { parseServerUrl } from './url.ts'
import { notA, quote, ValueError, type ValueParser } from './value-parser.ts'

const DAY_MS = 86_400_000
const MAX_DAYS = 36_500
const MAX_REQUESTS = 1024
const MAX_UPSTREAMS = 100
const PATTERN = /^[a-z0-9._/*?-]{1,255}$/

/** An upstream as the operator names it. Secrets are in files. */
export interface UpstreamEntry {
  readonly host: string
  readonly url: string
  readonly username?: string
  readonly passwordFile?: string
  readonly caFile?: string
  readonly plainHttp?: boolean
  readonly allow?: readonly string[]
  readonly deny?: readonly string[]
  readonly requests?: number
  readonly bytesPerSecond?: number
  readonly tagTtlMs?: number
  readonly keepPulledMs?: number
  readonly rangeMiss?: 'fill' | 'part'
}

const READERS: EntryList<UpstreamEntry>['readers'] = {
  host: (value) => ({ host: parseUpstreamHost(someText(value)) }),
  url: (value) => ({ url: parseServerUrl(someText(value)) }),
  username: (value) => ({ username: someText(value) }),
  'password-file': (value) => ({ passwordFile: someText(value) }),
  'ca-file': (value) => ({ caFile: someText(value) }),
  'plain-http': (value) => ({ plainHttp: yesOrNo(value) }),
  allow: (value) => ({ allow: patterns(value) }),
  deny: (value) => ({ deny: patterns(value) }),
  requests: (value) => ({ requests: wholeNumber(value, MAX_REQUESTS) }),
  bandwidth: (value) => ({ bytesPerSecond: parseRate(someText(value)) }),
  'tag-ttl': (value) => ({ tagTtlMs: parseDuration(someText(value)) }),
  'keep-pulled-days': (value) => ({ keepPulledMs: wholeNumber(value, MAX_DAYS) * DAY_MS }),
  'range-miss': (value) => {
    if (value === 'fill' || value === 'part') return { rangeMiss: value }
    throw notA('what becomes of the rest of a blob', jsonText(value), 'fill or part')
  }
}

const LIST: EntryList<UpstreamEntry> = {
  readers: READERS,
  max: MAX_UPSTREAMS,
  example: '[{"host": "docker.io"}]',
  has: 'host and what holds for it',
  complete(entry, where) {
    const { host } = entry
    if (host === undefined) throw new ValueError(`${where}.host: is missing; give one such as docker.io`)
    const url = entry.url ?? parseRegistryHost(host).server
    if (url.startsWith('http:') && entry.plainHttp !== true) {
      throw new ValueError(`${where}.url: ${url} is plain HTTP; set plain-http: true to allow that`)
    }
    if ((entry.username === undefined) !== (entry.passwordFile === undefined)) {
      throw new ValueError(`${where}: give username and password-file both, or neither`)
    }
    return { ...entry, host, url }
  }
}

/**
 * Reads upstreams, a JSON list of objects: `[{"host": "docker.io", "allow": ["library/*"], "bandwidth": "50MB/s"}]`.
 *
 * @throws ValueError naming the entry and the key
 */
export function parseUpstreams(json: string): readonly UpstreamEntry[] {
  const entries = parseEntries(json, LIST)
  for (const [index, { host }] of entries.entries()) {
    const first = entries.findIndex((entry) => entry.host === host)
    if (first !== index) throw new ValueError(`[${index}].host: ${quote(host)} is in [${first}] already`)
  }
  return entries
}

/**
 * Reads `HOST=URL`, or `HOST` alone for an upstream that is where its name says.
 *
 * @throws ValueError
 */
export function parseUpstream(given: string): UpstreamEntry {
  const at = given.indexOf('=')
  const host = parseUpstreamHost(at < 0 ? given : given.slice(0, at))
  const url = at < 0 ? parseRegistryHost(host).server : parseServerUrl(given.slice(at + 1))
  // Who writes the URL out says by it that it is to be plain.
  return { host, url, ...(at < 0 ? {} : { plainHttp: url.startsWith('http:') }) }
}

/** A host that can begin the name of a repository, as those of the cache do. */
function parseUpstreamHost(given: string): string {
  const { name } = parseRegistryHost(given)
  if (/^[a-z0-9.-]+(?::\d+)?$/.test(name) && !given.includes('://')) return name
  throw notA('the host of an upstream', given, 'HOST[:PORT] as images name it, such as docker.io or quay.io')
}

function patterns(value: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  const sound = list.filter((each): each is string => typeof each === 'string' && PATTERN.test(each))
  if (sound.length === list.length) return sound
  throw notA('a list of patterns of repositories', jsonText(value), 'one such as ["library/*"]; * is any text')
}

export const UPSTREAM: ValueParser<UpstreamEntry> = { placeholder: 'HOST[=URL]', parse: parseUpstream }
export const UPSTREAMS: ValueParser<readonly UpstreamEntry[]> = { placeholder: 'JSON', parse: parseUpstreams }
