import { parseDocument } from 'yaml'
import { ConfigurationError, describeError } from '../errors.ts'
import { quote } from '../values/value-parser.ts'
import type { Given, GivenValue } from './given.ts'
import { nearest } from './nearest.ts'
import type { OptionTable } from './option.ts'

/** Largest configuration file that is read. */
export const CONFIG_MAX_BYTES = 1024 * 1024

/**
 * The options that a YAML file gives: one mapping from names of options to their values.
 *
 * @param file its path, for messages
 * @throws ConfigurationError for a file that is not such a mapping, and for keys that do not exist
 */
export function parseConfigFile(table: OptionTable, file: string, text: string): Given {
  if (text.length > CONFIG_MAX_BYTES) throw new ConfigurationError(file, 'is larger than 1 MiB; give a smaller file')
  const document = parseDocument(text, { prettyErrors: false, logLevel: 'silent' })
  const [error] = document.errors
  if (error !== undefined) {
    const line = text.slice(0, error.pos[0]).split('\n').length
    throw new ConfigurationError(
      `${file}: line ${line}`,
      `is not YAML: ${describeError(error)}; write "key: value" lines, and quotes around an address such as "[::]:5000"`
    )
  }
  const root = toPlain(file, () => document.toJS({ maxAliasCount: 0 }))
  const given = new Map<string, readonly GivenValue[]>()
  if (root === null) return given
  if (typeof root !== 'object' || Array.isArray(root)) {
    throw new ConfigurationError(file, 'holds no mapping; write "key: value" lines')
  }
  for (const [name, value] of Object.entries(root)) {
    const option = name !== 'config' && Object.hasOwn(table, name) ? table[name] : undefined
    const key = `${file}: ${quote(name).slice(1, -1)}`
    if (option === undefined) {
      const known = Object.keys(table).filter((candidate) => candidate !== 'config')
      const near = nearest(name, known)
      const hint = near === undefined ? `known keys are ${known.join(', ')}` : `did you mean ${near}?`
      throw new ConfigurationError(key, `there is no such key; ${hint}`)
    }
    const many = Array.isArray(value) && option.kind === 'list'
    const values: readonly unknown[] = many ? value : [value]
    given.set(
      name,
      values.map((item) => ({ key, text: option.kind === 'structure' ? JSON.stringify(item) : scalarText(key, item) }))
    )
  }
  return given
}

function toPlain(file: string, convert: () => unknown): unknown {
  try {
    return convert()
  } catch (cause) {
    throw new ConfigurationError(file, `cannot be used: ${describeError(cause)}; write it without aliases`, { cause })
  }
}

function scalarText(key: string, value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  const what = value === null ? 'nothing' : Array.isArray(value) ? 'a list' : 'a mapping'
  throw new ConfigurationError(key, `has ${what} for a value; give a single value`)
}
