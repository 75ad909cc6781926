import { ConfigurationError } from '../errors.ts'
import type { Environment } from '../options/environment.ts'
import { parseFlags } from '../options/flags.ts'
import { formatHelp, type HelpSubject } from '../options/help.ts'
import type { OptionTable, OptionValues } from '../options/option.ts'
import { resolveOptions } from '../options/resolve.ts'
import type { BoardOutput } from '../progress/board.ts'
import { quote } from '../values/value-parser.ts'

/** What a command gets from the process it runs in. */
export interface CommandContext {
  readonly stdout: BoardOutput
  readonly stderr: BoardOutput
  readonly environment: Environment
  /** Aborts at the first SIGINT or SIGTERM, with a `ShutdownError`. */
  readonly signal: AbortSignal
  readFile(path: string): Promise<string>
}

/** One command of `shoal`. */
export interface Command {
  /** The words after `shoal`: `['node', 'configure']`. */
  readonly words: readonly string[]
  readonly summary: string
  readonly help: HelpSubject
  /** Reads its options and does its work. @returns the exit code */
  run(argv: readonly string[], context: CommandContext): Promise<number>
}

/** A command as its file writes it. */
export interface CommandDefinition<T extends OptionTable> {
  readonly words: readonly string[]
  readonly summary: string
  readonly details?: string
  /** Its one positional argument, if it takes one. */
  readonly argument?: { readonly placeholder: string; readonly give: string }
  readonly options: T
  /** @param argument empty when the command takes none */
  run(values: OptionValues<T>, argument: string, context: CommandContext): Promise<number>
}

const DEFAULT_COLUMNS = 100

/** Makes a command of its definition: flags, environment, file and help come from the one table. */
export function defineCommand<T extends OptionTable>(definition: CommandDefinition<T>): Command {
  const { words, summary, details, argument, options } = definition
  const name = `shoal ${words.join(' ')}`
  const usage = `${name}${argument === undefined ? '' : ` ${argument.placeholder}`} [options]`
  const help: HelpSubject = { usage, summary, options, ...(details === undefined ? {} : { details }) }
  return {
    words,
    summary,
    help,
    async run(argv, context) {
      const commandLine = parseFlags(options, argv)
      if (commandLine.help) {
        context.stdout.write(formatHelp(help, context.stdout.columns ?? DEFAULT_COLUMNS))
        return 0
      }
      const [first, second] = commandLine.positionals
      const surplus = argument === undefined ? first : second
      if (surplus !== undefined) {
        const takes = argument === undefined ? 'no arguments' : `one ${argument.placeholder}`
        throw new ConfigurationError(quote(surplus), `is one argument too many; ${name} takes ${takes}`)
      }
      if (argument !== undefined && (first === undefined || first === '')) {
        throw new ConfigurationError(argument.placeholder, `is missing; give ${argument.give}`)
      }
      const values = await resolveOptions(options, commandLine, {
        environment: context.environment,
        readFile: context.readFile
      })
      return await definition.run(values, first ?? '', context)
    }
  }
}
