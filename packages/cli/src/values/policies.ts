import type { Policy } from '@shoal/registry'
import { nearest } from '../options/nearest.ts'
import { parseSize } from './size.ts'
import { notA, quote, ValueError, type ValueParser } from './value-parser.ts'

const DAY_MS = 86_400_000
/** Longest time in which a pull can keep a tag: a hundred years. */
const MAX_DAYS = 36_500
const MAX_TAGS = 1_000_000
const MAX_POLICIES = 1000

type Reader = (value: unknown) => Partial<Policy>

const READERS: Readonly<Record<string, Reader>> = {
  prefix: (value) => {
    if (typeof value === 'string' && /^[a-z0-9._/-]{0,255}$/.test(value)) return { prefix: value }
    throw notA('the beginning of repository names', text(value), 'one such as team/, or "" for every repository')
  },
  'keep-tags': (value) => ({ keepTags: wholeNumber(value, MAX_TAGS) }),
  'keep-pulled-days': (value) => ({ keepPulledMs: wholeNumber(value, MAX_DAYS) * DAY_MS }),
  'immutable-tags': (value) => {
    const patterns: unknown[] = Array.isArray(value) ? value : [value]
    const immutableTags = patterns.filter((each) => typeof each === 'string' && /^[\w.*?-]{1,128}$/.test(each))
    if (immutableTags.length === patterns.length) return { immutableTags: immutableTags.map(String) }
    throw notA(
      'a list of patterns of tags',
      text(value),
      'one such as ["v*", "stable"]; * is any text, ? one character'
    )
  },
  quota: (value) => {
    if (typeof value === 'string' || typeof value === 'number') return { quotaBytes: parseSize(String(value)) }
    throw notA('a size', text(value), 'a number with a unit, such as 50GiB')
  },
  'delete-untagged': (value) => {
    if (typeof value === 'boolean') return { deleteUntagged: value }
    throw notA('a yes or no', text(value), 'true or false')
  }
}

/**
 * Reads the policies of a registry, a JSON list of objects: `[{"prefix": "team/", "keep-tags": 10, "quota": "50GiB"}]`.
 *
 * @throws ValueError naming the entry and the key
 */
export function parsePolicies(json: string): readonly Policy[] {
  const list = parseList(json)
  const policies = list.map((entry, index) => parsePolicy(entry, `[${index}]`))
  for (const [index, { prefix }] of policies.entries()) {
    const first = policies.findIndex((policy) => policy.prefix === prefix)
    if (first !== index) {
      throw new ValueError(`[${index}].prefix: ${quote(prefix)} has a policy in [${first}] already; put both into one`)
    }
  }
  return policies
}

function parseList(json: string): unknown[] {
  let list: unknown
  try {
    list = JSON.parse(json)
  } catch {
    throw notA('JSON', json, 'a list such as [{"prefix": "team/", "keep-tags": 10}]')
  }
  if (!Array.isArray(list))
    throw notA('a list', json, 'one entry for each prefix: [{"prefix": "team/", "keep-tags": 10}]')
  if (list.length > MAX_POLICIES) throw new ValueError(`there are ${list.length} entries; give at most ${MAX_POLICIES}`)
  return list
}

function parsePolicy(entry: unknown, where: string): Policy {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    throw new ValueError(`${where}: ${text(entry)} is not a mapping; give prefix and what holds for it`)
  }
  let policy: Partial<Policy> = {}
  for (const [key, value] of Object.entries(entry)) {
    const read = Object.hasOwn(READERS, key) ? READERS[key] : undefined
    if (read === undefined) {
      const near = nearest(key, Object.keys(READERS))
      const hint = near === undefined ? `known keys are ${Object.keys(READERS).join(', ')}` : `did you mean ${near}?`
      throw new ValueError(`${where}.${quote(key).slice(1, -1)}: there is no such key; ${hint}`)
    }
    try {
      policy = { ...policy, ...read(value) }
    } catch (cause) {
      throw cause instanceof ValueError ? new ValueError(`${where}.${key}: ${cause.message}`, { cause }) : cause
    }
  }
  const { prefix } = policy
  if (prefix === undefined) throw new ValueError(`${where}.prefix: is missing; give one such as team/, or "" for all`)
  return { ...policy, prefix }
}

function wholeNumber(value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw notA('such a number', text(value), `a whole number from 1 to ${max}`)
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

export const POLICIES: ValueParser<readonly Policy[]> = { placeholder: 'JSON', parse: parsePolicies }
