import { type LevelWithSilent, pino } from 'pino'
import { prettyFactory } from 'pino-pretty'
import { describeError, errorCode } from './errors.ts'

export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const

/** What a logger is made from. */
export interface LoggerInit {
  readonly format: LogFormat
  readonly level: LevelWithSilent
  /** Takes whole lines, each with its line break. */
  readonly write: (line: string) => void
  readonly colour: boolean
}

/**
 * The process's logger: JSON for machines, or a line per event for people. Each line is written before the call
 * returns, so the last words before an exit are not lost.
 */
export function createLogger(init: LoggerInit) {
  const prettify = prettyFactory({ colorize: init.colour, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
  const write = init.format === 'json' ? init.write : (line: string) => init.write(prettify(line) ?? line)
  const serializers = { error: (error: unknown) => loggedError(error, init.level === 'debug') }
  return pino({ level: init.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }, { write })
}

/** An error as a line of the log has it; its stack is for those who debug. */
function loggedError(error: unknown, withStack: boolean): unknown {
  if (!(error instanceof Error)) return error
  const stack = withStack ? { stack: error.stack } : {}
  return { name: error.name, code: errorCode(error), message: describeError(error), ...stack }
}
