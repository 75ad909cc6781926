import { type JoinToken, parseJoinToken } from '@shoal/swarm'
import { ConfigurationError, describeError } from '../errors.ts'
import { optional } from '../options/option.ts'
import { FILE, readBy } from '../values/text.ts'
import type { CommandContext } from './command.ts'

/** The two ways to hand an agent its join token. */
export const JOIN_TOKEN_OPTIONS = {
  'join-token': optional(readBy('TOKEN', parseJoinToken), "the registry's join token", { secret: true }),
  'join-token-file': optional(FILE, 'file with the join token, which other users cannot see, unlike a flag')
} as const

/**
 * The join token of an agent.
 *
 * @throws ConfigurationError when it was given in neither way, in both, or is no token
 */
export async function readJoinToken(
  values: { readonly 'join-token': JoinToken | undefined; readonly 'join-token-file': string | undefined },
  context: Pick<CommandContext, 'readFile'>
): Promise<JoinToken> {
  const { 'join-token': token, 'join-token-file': file } = values
  if (file === undefined) {
    if (token !== undefined) return token
    const give = 'give --join-token-file FILE with a copy of join-token from the data folder of the registry'
    throw new ConfigurationError('--join-token', `is missing; ${give}`)
  }
  if (token !== undefined)
    throw new ConfigurationError('--join-token', 'was given beside --join-token-file; give one of them')
  let text: string
  try {
    text = await context.readFile(file)
  } catch (cause) {
    const reason = `cannot read ${file}: ${describeError(cause)}; give a file that this user can read`
    throw new ConfigurationError('--join-token-file', reason, { cause })
  }
  try {
    return parseJoinToken(text)
  } catch (cause) {
    throw new ConfigurationError('--join-token-file', `${file}: ${describeError(cause)}`)
  }
}
