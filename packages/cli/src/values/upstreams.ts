import { parseRegistryHost } from '../containerd/registry-host.ts'
import { nearest } from '../options/nearest.ts'
import { parseDuration } from './duration.ts'
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

type Reader = (value: unknown) => Partial<UpstreamEntry>

const READERS: Readonly<Record<string, Reader>> = {
  host: (value) => ({ host: parseUpstreamHost(string(value)) }),
  url: (value) => ({ url: parseServerUrl(string(value)) }),
  username: (value) => ({ username: string(value) }),
  'password-file': (value) => ({ passwordFile: string(value) }),
  'ca-file': (value) => ({ caFile: string(value) }),
  'plain-http': (value) => ({ plainHttp: yesOrNo(value) }),
  allow: (value) => ({ allow: patterns(value) }),
  deny: (value) => ({ deny: patterns(value) }),
  requests: (value) => ({ requests: wholeNumber(value, MAX_REQUESTS) }),
  bandwidth: (value) => ({ bytesPerSecond: parseRate(string(value)) }),
  'tag-ttl': (value) => ({ tagTtlMs: parseDuration(string(value)) }),
  'keep-pulled-days': (value) => ({ keepPulledMs: wholeNumber(value, MAX_DAYS) * DAY_MS }),
  'range-miss': (value) => {
    if (value === 'fill' || value === 'part') return { rangeMiss: value }
    throw notA('what becomes of the rest of a blob', text(value), 'fill or part')
  }
}

/**
 * Reads upstreams, a JSON list of objects: `[{"host": "docker.io", "allow": ["library/*"], "bandwidth": "50MB/s"}]`.
 *
 * @throws ValueError naming the entry and the key
 */
export function parseUpstreams(json: string): readonly UpstreamEntry[] {
  const list = parseList(json)
  const entries = list.map((entry, index) => parseEntry(entry, `[${index}]`))
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

function parseList(json: string): unknown[] {
  let list: unknown
  try {
    list = JSON.parse(json)
  } catch {
    throw notA('JSON', json, 'a list such as [{"host": "docker.io"}]')
  }
  if (!Array.isArray(list)) throw notA('a list', json, 'one entry for each upstream: [{"host": "docker.io"}]')
  if (list.length > MAX_UPSTREAMS)
    throw new ValueError(`there are ${list.length} entries; give at most ${MAX_UPSTREAMS}`)
  return list
}

function parseEntry(value: unknown, where: string): UpstreamEntry {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValueError(`${where}: ${text(value)} is not a mapping; give host and what holds for it`)
  }
  let entry: Partial<UpstreamEntry> = {}
  for (const [key, item] of Object.entries(value)) {
    const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined
    if (read === undefined) {
      const near = nearest(key, Object.keys(READERS))
      const hint = near === undefined ? `known keys are ${Object.keys(READERS).join(', ')}` : `did you mean ${near}?`
      throw new ValueError(`${where}.${quote(key).slice(1, -1)}: there is no such key; ${hint}`)
    }
    try {
      entry = { ...entry, ...read(item) }
    } catch (cause) {
      throw cause instanceof ValueError ? new ValueError(`${where}.${key}: ${cause.message}`, { cause }) : cause
    }
  }
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

function patterns(value: unknown): readonly string[] {
  const list: unknown[] = Array.isArray(value) ? value : [value]
  const sound = list.filter((each): each is string => typeof each === 'string' && PATTERN.test(each))
  if (sound.length === list.length) return sound
  throw notA('a list of patterns of repositories', text(value), 'one such as ["library/*"]; * is any text')
}

function wholeNumber(value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw notA('such a number', text(value), `a whole number from 1 to ${max}`)
}

function yesOrNo(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw notA('a yes or no', text(value), 'true or false')
}

function string(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw notA('a text', text(value), 'a text that is not empty')
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

export const UPSTREAM: ValueParser<UpstreamEntry> = { placeholder: 'HOST[=URL]', parse: parseUpstream }
export const UPSTREAMS: ValueParser<readonly UpstreamEntry[]> = { placeholder: 'JSON', parse: parseUpstreams }
