import type { Given, GivenValue } from './given.ts'
import { type OptionTable, variableOf } from './option.ts'

/** Environment variables as `process.env` has them. */
export type Environment = Readonly<Record<string, string | undefined>>

/**
 * The options that the environment gives. An empty variable counts as absent, and other variables that begin with
 * `SHOAL_` are left alone: Kubernetes sets such ones for every Service whose name begins so.
 */
export function parseEnvironment(table: OptionTable, environment: Environment): Given {
  const given = new Map<string, GivenValue[]>()
  for (const [name, option] of Object.entries(table)) {
    const key = variableOf(name)
    const text = environment[key]
    if (text === undefined || text === '') continue
    const texts = option.kind === 'list' ? text.split(',').map((part) => part.trim()) : [text]
    given.set(
      name,
      texts.map((part) => ({ key, text: part }))
    )
  }
  return given
}
