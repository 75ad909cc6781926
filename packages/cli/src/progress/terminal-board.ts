import type { Environment } from '../options/environment.ts'
import { type BoardOutput, ProgressBoard } from './board.ts'

/** A board on this process's terminal or pipe, with the machine's clock. Its timer does not keep the process alive. */
export function createBoard(output: BoardOutput, environment: Environment): ProgressBoard {
  return new ProgressBoard({
    output,
    unicode: speaksUnicode(environment),
    now: () => performance.now(),
    every(ms, task) {
      const timer = setInterval(task, ms).unref()
      return () => clearInterval(timer)
    }
  })
}

/** Whether the locale is one of UTF-8 (POSIX: LC_ALL, then LC_CTYPE, then LANG). */
export function speaksUnicode(environment: Environment): boolean {
  const locale = [environment.LC_ALL, environment.LC_CTYPE, environment.LANG].find((value) => value) ?? ''
  return /utf-?8/i.test(locale)
}

/** Whether colour is wanted: on a terminal that is not dumb, unless NO_COLOR says otherwise. */
export function wantsColour(output: BoardOutput, environment: Environment): boolean {
  return output.isTTY === true && !environment.NO_COLOR && environment.TERM !== 'dumb'
}
