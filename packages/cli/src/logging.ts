import { type LevelWithSilent, pino } from 'pino'
import { describeError, errorCode } from './errors.ts'
import type { LogFormat } from './log-choices.ts'

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
export async function createLogger(init: LoggerInit) {
  const write = init.format === 'json' ? init.write : await prettyWrite(init)
  const serializers = { error: (error: unknown) => loggedError(error, init.level === 'debug') }
  return pino({ level: init.level, base: null, timestamp: pino.stdTimeFunctions.isoTime, serializers }, { write })
}

async function prettyWrite({ colour, write }: LoggerInit): Promise<(line: string) => void> {
  const { prettyFactory } = await import('pino-pretty')
  const prettify = prettyFactory({ colorize: colour, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
  return (line) => write(prettify(line) ?? line)
}

/** An error as a line of the log has it; its stack is for those who debug. */
function loggedError(error: unknown, withStack: boolean): unknown {
  if (!(error instanceof Error)) return error
  const stack = withStack ? { stack: error.stack } : {}
  return { name: error.name, code: errorCode(error), message: describeError(error), ...stack }
}
