import { ConfigurationError, describeError } from '../errors.ts'
import { FILE } from '../values/text.ts'
import { type Environment, parseEnvironment } from './environment.ts'
import type { CommandLine } from './flags.ts'
import type { Given, GivenValue } from './given.ts'
import { type Option, type OptionTable, type OptionValues, optional, variableOf } from './option.ts'

/** The option that every command has: where the file is. */
export const CONFIG_OPTION = optional(FILE, 'read options from this YAML file')

/** Where values come from beside the command line. */
export interface OptionSources {
  readonly environment: Environment
  /** Text of the file that `--config` names. */
  readFile(path: string): Promise<string>
}

/**
 * The value of every option of a table: from the flags, else from the environment, else from the file, else the default.
 * A wrong value is an error even in a source that another one wins over.
 *
 * @throws ConfigurationError naming the key, the bad value, and what would be right
 */
export async function resolveOptions<T extends OptionTable>(
  table: T,
  commandLine: CommandLine,
  sources: OptionSources
): Promise<OptionValues<T>> {
  const environment = parseEnvironment(table, sources.environment)
  const file = await readConfig(table, [commandLine.given, environment], sources)
  const ordered = file === undefined ? [commandLine.given, environment] : [commandLine.given, environment, file]
  const values: Record<string, unknown> = {}
  for (const [name, option] of Object.entries(table)) {
    const read = ordered.map((given) => given.get(name)?.map((value) => readValue(option, value)))
    values[name] = option.collect(read.find((list) => list !== undefined) ?? defaultsOf(name, option))
  }
  // The loop above has filled in every key of the table with what its option collects.
  return values as OptionValues<T>
}

async function readConfig(table: OptionTable, before: readonly Given[], sources: OptionSources) {
  const named = before.map((given) => given.get('config')?.[0]).find((value) => value !== undefined)
  if (named === undefined) return undefined
  let text: string
  try {
    text = await sources.readFile(named.text)
  } catch (cause) {
    throw new ConfigurationError(named.key, `cannot read the file: ${describeError(cause)}; give one that can be read`)
  }
  // Loaded when there is a file: a YAML parser is large, and most processes have none.
  const { parseConfigFile } = await import('./config-file.ts')
  return parseConfigFile(table, named.text, text)
}

function defaultsOf(name: string, option: Option<unknown>): readonly unknown[] {
  if (option.defaultText !== undefined) return [option.parser.parse(option.defaultText)]
  if (!option.required) return []
  const give = `--${name} ${option.parser.placeholder}, ${variableOf(name)}, or "${name}" in the file`
  throw new ConfigurationError(`--${name}`, `is missing; give ${give}`)
}

function readValue(option: Option<unknown>, value: GivenValue): unknown {
  try {
    return option.parser.parse(value.text)
  } catch (cause) {
    const said = describeError(cause)
    const reason = option.secret && value.text !== '' ? said.replaceAll(value.text, '…') : said
    throw new ConfigurationError(value.key, reason, option.secret ? {} : { cause })
  }
}
