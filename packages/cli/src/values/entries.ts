import { nearest } from '../options/nearest.ts'
import { jsonText } from './json-values.ts'
import { notA, quote, ValueError } from './value-parser.ts'

/** A list of mappings in the configuration file, such as its policies. */
export interface EntryList<T> {
  /** By key: what its value says. Each throws {@link ValueError} for a value of the wrong form. */
  readonly readers: Readonly<Record<string, (value: unknown) => Partial<T>>>
  /** Checks an entry as a whole. @throws ValueError, beginning with `where` */
  complete(entry: Partial<T>, where: string): T
  /** Most entries. */
  readonly max: number
  /** A list as it could be. */
  readonly example: string
  /** What an entry has, for whoever gave something else: `prefix and what holds for it`. */
  readonly has: string
}

/**
 * Reads a JSON list of mappings.
 *
 * @throws ValueError naming the entry and the key: `[2].quota: "much" is not a size; give …`
 */
export function parseEntries<T>(json: string, list: EntryList<T>): T[] {
  let values: unknown
  try {
    values = JSON.parse(json)
  } catch {
    throw notA('JSON', json, `a list such as ${list.example}`)
  }
  if (!Array.isArray(values)) throw notA('a list', json, `one such as ${list.example}`)
  if (values.length > list.max) throw new ValueError(`there are ${values.length} entries; give at most ${list.max}`)
  return values.map((value: unknown, index) => {
    const where = `[${index}]`
    return list.complete(parseEntry(value, where, list), where)
  })
}

function parseEntry<T>(value: unknown, where: string, { readers, has }: EntryList<T>): Partial<T> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ValueError(`${where}: ${jsonText(value)} is not a mapping; give ${has}`)
  }
  let entry: Partial<T> = {}
  for (const [key, item] of Object.entries(value)) {
    const read = Object.hasOwn(readers, key) ? readers[key] : undefined
    if (read === undefined) {
      const near = nearest(key, Object.keys(readers))
      const hint = near === undefined ? `known keys are ${Object.keys(readers).join(', ')}` : `did you mean ${near}?`
      throw new ValueError(`${where}.${quote(key).slice(1, -1)}: there is no such key; ${hint}`)
    }
    try {
      entry = { ...entry, ...read(item) }
    } catch (cause) {
      throw cause instanceof ValueError ? new ValueError(`${where}.${key}: ${cause.message}`, { cause }) : cause
    }
  }
  return entry
}
