import type { JoinToken } from '@shoal/swarm'
import { ConfigurationError, describeError } from '../errors.ts'
import { optional } from '../options/option.ts'
import { anyText, FILE } from '../values/text.ts'
import type { CommandContext } from './command.ts'

/** The two ways to hand an agent its join token. */
export const JOIN_TOKEN_OPTIONS = {
  'join-token': optional(anyText('TOKEN'), "the registry's join token", { secret: true }),
  'join-token-file': optional(FILE, 'file with the join token, which other users cannot see, unlike a flag')
} as const

/**
 * The join token of an agent.
 *
 * @throws ConfigurationError when it was given in neither way, in both, or is no token
 */
export async function readJoinToken(
  values: { readonly 'join-token': string | undefined; readonly 'join-token-file': string | undefined },
  context: Pick<CommandContext, 'readFile'>
): Promise<JoinToken> {
  const { 'join-token': token, 'join-token-file': file } = values
  if (file === undefined) {
    if (token !== undefined) return await parse('--join-token', token)
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
  return await parse('--join-token-file', text, `${file}: `)
}

async function parse(key: string, text: string, before = ''): Promise<JoinToken> {
  // Loaded here, as everything of the mesh is: the other commands do without it.
  const { parseJoinToken } = await import('@shoal/swarm')
  try {
    return parseJoinToken(text)
  } catch (cause) {
    // Not the token itself, and not as a cause that has it: messages end up in logs.
    throw new ConfigurationError(key, `${before}${describeError(cause)}`.replaceAll(text.trim(), '…'))
  }
}
