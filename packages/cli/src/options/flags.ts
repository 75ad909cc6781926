import { parseArgs } from 'node:util'
import { ConfigurationError } from '../errors.ts'
import { quote } from '../values/value-parser.ts'
import type { Given, GivenValue } from './given.ts'
import { nearest } from './nearest.ts'
import type { OptionTable } from './option.ts'

/** The command line, taken apart but not yet read. */
export interface CommandLine {
  readonly given: Given
  readonly positionals: readonly string[]
  readonly help: boolean
}

/**
 * Takes a command line apart. `--flag value`, `--flag=value`, `--` before positionals, `-h` and `--help`.
 *
 * @throws ConfigurationError for a flag that does not exist, comes twice, or lacks its value
 */
export function parseFlags(table: OptionTable, argv: readonly string[]): CommandLine {
  const options = Object.fromEntries(
    Object.entries(table).map(([name, { kind }]) => [name, { type: kind === 'switch' ? 'boolean' : 'string' } as const])
  )
  const { tokens } = parseArgs({
    args: [...argv],
    options: { ...options, help: { type: 'boolean', short: 'h' } },
    strict: false,
    tokens: true
  })
  const given = new Map<string, GivenValue[]>()
  const positionals: string[] = []
  let help = false
  for (const token of tokens) {
    if (token.kind === 'positional') positionals.push(token.value)
    if (token.kind !== 'option') continue
    if (token.name === 'help') {
      help = true
      continue
    }
    const option = Object.hasOwn(table, token.name) ? table[token.name] : undefined
    if (option === undefined) throw unknownFlag(token.rawName, table)
    const values = given.get(token.name) ?? []
    if (values.length > 0 && option.kind !== 'list') {
      throw new ConfigurationError(token.rawName, 'was given twice; give it once')
    }
    const text = option.kind === 'switch' ? (token.value ?? 'true') : token.value
    // Without "=", what looks like the next flag is the next flag, not a value.
    if (text === undefined || (token.inlineValue === false && text.startsWith('--'))) {
      throw new ConfigurationError(token.rawName, `needs a value; give ${token.rawName} ${option.parser.placeholder}`)
    }
    values.push({ key: token.rawName, text })
    given.set(token.name, values)
  }
  return { given, positionals, help }
}

function unknownFlag(rawName: string, table: OptionTable): ConfigurationError {
  const near = nearest(rawName.replace(/^-+/, ''), Object.keys(table))
  const hint = near === undefined ? '--help lists the flags' : `did you mean --${near}?`
  return new ConfigurationError(quote(rawName).slice(1, -1), `there is no such flag; ${hint}`)
}
