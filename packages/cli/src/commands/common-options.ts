import { LOG_FORMATS, LOG_LEVELS } from '../log-choices.ts'
import { defaulted, optional } from '../options/option.ts'
import { CONFIG_OPTION } from '../options/resolve.ts'
import { wantsColour } from '../progress/terminal-board.ts'
import { choice } from '../values/choice.ts'
import type { CommandContext } from './command.ts'

const LOG_FORMAT = choice(...LOG_FORMATS)
const LOG_LEVEL = choice(...LOG_LEVELS)

/** Options of every command. */
export const COMMON_OPTIONS = { config: CONFIG_OPTION } as const

/** Options of commands that log. */
export function logOptions(defaultLevel: (typeof LOG_LEVELS)[number]) {
  return {
    'log-format': optional(LOG_FORMAT, 'how to write the log (default pretty on a terminal, json elsewhere)'),
    'log-level': defaulted(LOG_LEVEL, defaultLevel, 'the least severe events to log')
  } as const
}

/** The values that {@link logOptions} gives. */
export interface LogValues {
  readonly 'log-format': (typeof LOG_FORMATS)[number] | undefined
  readonly 'log-level': (typeof LOG_LEVELS)[number]
}

/**
 * The logger that the options ask for, on standard error.
 *
 * @param write where lines go instead, when something else is drawn on the terminal too
 */
export async function loggerFrom(values: LogValues, context: CommandContext, write?: (line: string) => void) {
  const { stderr, environment } = context
  const { createLogger } = await import('../logging.ts')
  return await createLogger({
    format: values['log-format'] ?? (stderr.isTTY === true ? 'pretty' : 'json'),
    level: values['log-level'],
    colour: wantsColour(stderr, environment),
    write: write ?? ((line) => stderr.write(line))
  })
}
