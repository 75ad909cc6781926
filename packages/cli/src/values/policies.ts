import type { Policy } from '@shoal/registry'
import { type EntryList, parseEntries } from './entries.ts'
import { jsonText, wholeNumber, yesOrNo } from './json-values.ts'
import { parseSize } from './size.ts'
import { notA, quote, ValueError, type ValueParser } from './value-parser.ts'

const DAY_MS = 86_400_000
/** Longest time in which a pull can keep a tag: a hundred years. */
const MAX_DAYS = 36_500
const MAX_TAGS = 1_000_000
const MAX_POLICIES = 1000

const READERS: EntryList<Policy>['readers'] = {
  prefix: (value) => {
    if (typeof value === 'string' && /^[a-z0-9._/-]{0,255}$/.test(value)) return { prefix: value }
    throw notA('the beginning of repository names', jsonText(value), 'one such as team/, or "" for every repository')
  },
  'keep-tags': (value) => ({ keepTags: wholeNumber(value, MAX_TAGS) }),
  'keep-pulled-days': (value) => ({ keepPulledMs: wholeNumber(value, MAX_DAYS) * DAY_MS }),
  'immutable-tags': (value) => {
    const patterns: unknown[] = Array.isArray(value) ? value : [value]
    const immutableTags = patterns.filter((each) => typeof each === 'string' && /^[\w.*?-]{1,128}$/.test(each))
    if (immutableTags.length === patterns.length) return { immutableTags: immutableTags.map(String) }
    throw notA(
      'a list of patterns of tags',
      jsonText(value),
      'one such as ["v*", "stable"]; * is any text, ? one character'
    )
  },
  quota: (value) => {
    if (typeof value === 'string' || typeof value === 'number') return { quotaBytes: parseSize(String(value)) }
    throw notA('a size', jsonText(value), 'a number with a unit, such as 50GiB')
  },
  'delete-untagged': (value) => ({ deleteUntagged: yesOrNo(value) })
}

const LIST: EntryList<Policy> = {
  readers: READERS,
  max: MAX_POLICIES,
  example: '[{"prefix": "team/", "keep-tags": 10}]',
  has: 'prefix and what holds for it',
  complete(policy, where) {
    const { prefix } = policy
    if (prefix === undefined) throw new ValueError(`${where}.prefix: is missing; give one such as team/, or "" for all`)
    return { ...policy, prefix }
  }
}

/**
 * Reads the policies of a registry, a JSON list of objects: `[{"prefix": "team/", "keep-tags": 10, "quota": "50GiB"}]`.
 *
 * @throws ValueError naming the entry and the key
 */
export function parsePolicies(json: string): readonly Policy[] {
  const policies = parseEntries(json, LIST)
  for (const [index, { prefix }] of policies.entries()) {
    const first = policies.findIndex((policy) => policy.prefix === prefix)
    if (first !== index) {
      throw new ValueError(`[${index}].prefix: ${quote(prefix)} has a policy in [${first}] already; put both into one`)
    }
  }
  return policies
}

export const POLICIES: ValueParser<readonly Policy[]> = { placeholder: 'JSON', parse: parsePolicies }
