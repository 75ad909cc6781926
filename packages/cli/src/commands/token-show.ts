import { join } from 'node:path'
import { CommandError, describeError, errorCode } from '../errors.ts'
import { defaulted } from '../options/option.ts'
import { DIRECTORY } from '../values/text.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { DEFAULT_REGISTRY_DATA, JOIN_TOKEN_FILE } from './data-folders.ts'

/** `shoal token show`: prints a registry's join token. */
export const tokenShowCommand = defineCommand({
  words: ['token', 'show'],
  summary: "print the join token in a registry's data folder",
  details: 'Whoever has the token can make a node a member of the mesh. Hand it to agents with --join-token-file.',
  options: {
    data: defaulted(DIRECTORY, DEFAULT_REGISTRY_DATA, "the registry's data folder"),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const file = join(values.data, JOIN_TOKEN_FILE)
    let token: string
    try {
      token = (await context.readFile(file)).trim()
    } catch (cause) {
      const way =
        errorCode(cause) === 'ENOENT'
          ? 'start "shoal registry" with this --data once, which makes it, or give its data folder with --data'
          : 'run this as the user that the registry runs as'
      throw new CommandError(`cannot read ${file}: ${describeError(cause)}; ${way}`, { cause })
    }
    context.stdout.write(`${token}\n`)
    return 0
  }
})
