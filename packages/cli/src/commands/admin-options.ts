import { join } from 'node:path'
import { CommandError, describeError } from '../errors.ts'
import { defaulted, type OptionValues, optional } from '../options/option.ts'
import { DIRECTORY, FILE } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import type { CommandContext } from './command.ts'
import { ADMIN_PASSWORD_FILE, DEFAULT_REGISTRY_DATA } from './data-folders.ts'

/** Where a registry listens unless told otherwise, from its own machine. */
export const DEFAULT_LOCAL_REGISTRY = 'http://127.0.0.1:5000'

/** How commands find a running registry, and log in as its administrator. */
export const ADMIN_OPTIONS = {
  registry: defaulted(SERVER_URL, DEFAULT_LOCAL_REGISTRY, "the registry's address"),
  data: defaulted(DIRECTORY, DEFAULT_REGISTRY_DATA, "the registry's data folder, where its password is"),
  'password-file': optional(FILE, 'a file with the password of "admin" (default admin-password in --data)')
} as const

/** The administrator's password. @throws CommandError */
export async function readPassword(
  values: Pick<OptionValues<typeof ADMIN_OPTIONS>, 'data' | 'password-file'>,
  context: Pick<CommandContext, 'readFile'>
): Promise<string> {
  const file = values['password-file'] ?? join(values.data, ADMIN_PASSWORD_FILE)
  try {
    return (await context.readFile(file)).trim()
  } catch (cause) {
    throw new CommandError(
      `cannot read ${file}: ${describeError(cause)}; give the registry's data folder with --data, or --password-file`,
      { cause }
    )
  }
}
