import { agentCommand } from './commands/agent.ts'
import { backupCommand } from './commands/backup.ts'
import type { Command, CommandContext } from './commands/command.ts'
import { eventsCommand } from './commands/events.ts'
import { gcCommand } from './commands/gc.ts'
import { nodeConfigureCommand } from './commands/node-configure.ts'
import { nodeRestoreCommand } from './commands/node-restore.ts'
import { pullCommand } from './commands/pull.ts'
import { readOnlyCommand } from './commands/read-only.ts'
import { registryCommand } from './commands/registry.ts'
import { restoreCommand } from './commands/restore.ts'
import { standbyCommand } from './commands/standby.ts'
import { statusCommand } from './commands/status.ts'
import { tokenShowCommand } from './commands/token-show.ts'
import { upCommand } from './commands/up.ts'
import { CommandError, ConfigurationError, describeError } from './errors.ts'
import { row } from './options/help.ts'
import { nearest } from './options/nearest.ts'
import { ShutdownError } from './signals.ts'
import { quote } from './values/value-parser.ts'
import { VERSION } from './version.ts'

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  upCommand,
  registryCommand,
  agentCommand,
  pullCommand,
  statusCommand,
  gcCommand,
  readOnlyCommand,
  eventsCommand,
  backupCommand,
  restoreCommand,
  standbyCommand,
  nodeConfigureCommand,
  nodeRestoreCommand,
  tokenShowCommand
]

const HELP_COLUMNS = 100

/**
 * Runs `shoal` with these arguments. Results go to standard output, messages and the log to standard error.
 *
 * @returns the exit code: 0, 1 when the work could not be done, 2 for bad configuration, 130 or 143 when a signal ended it
 */
export async function main(argv: readonly string[], context: CommandContext): Promise<number> {
  try {
    const [first] = argv
    if (first === '--version') {
      context.stdout.write(`shoal ${VERSION}\n`)
      return 0
    }
    if (first === '--help' || first === '-h' || first === 'help') {
      context.stdout.write(formatOverview())
      return 0
    }
    const command = COMMANDS.find(({ words }) => words.every((word, index) => argv[index] === word))
    if (command === undefined) throw noSuchCommand(argv)
    return await command.run(argv.slice(command.words.length), context)
  } catch (error) {
    context.stderr.write(`shoal: ${describeError(error)}\n`)
    return error instanceof CommandError || error instanceof ShutdownError ? error.exitCode : 1
  }
}

/** The help of `shoal` itself. */
export function formatOverview(): string {
  const commands = COMMANDS.flatMap(({ words, summary }) => row(words.join(' '), summary, HELP_COLUMNS))
  return [
    'Usage: shoal COMMAND [options]',
    '',
    'Distributes container images and other OCI artifacts inside a cluster, peer to peer.',
    '',
    'Commands:',
    ...commands,
    '',
    'Options:',
    ...row('-h, --help', 'show this; "shoal COMMAND --help" shows the options of a command', HELP_COLUMNS),
    ...row('--version', 'show the version', HELP_COLUMNS),
    ''
  ].join('\n')
}

function noSuchCommand(argv: readonly string[]): ConfigurationError {
  const words = argv.filter((word) => !word.startsWith('-')).slice(0, 2)
  const [first] = words
  if (first === undefined) return new ConfigurationError('COMMAND', 'is missing; "shoal --help" lists the commands')
  const below = COMMANDS.filter((command) => command.words.length > 1 && command.words[0] === first)
  if (below.length > 0) {
    const next = below.map((command) => `"shoal ${command.words.join(' ')}"`).join(' or ')
    return new ConfigurationError(first, `is not a whole command; give ${next}`)
  }
  const near = nearest(
    first,
    COMMANDS.map((command) => command.words[0] ?? '')
  )
  const hint = near === undefined ? '"shoal --help" lists the commands' : `did you mean "shoal ${near}"?`
  return new ConfigurationError(quote(first), `there is no such command; ${hint}`)
}
