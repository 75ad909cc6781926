import { arch, platform } from 'node:process'
import { defaulted, required } from '../options/option.ts'
import { formatPlatform, PLATFORM, platformOf } from '../values/platform.ts'
import { DIRECTORY } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { DEFAULT_AGENT_ADMIN_URL, DEFAULT_AGENT_URL } from './default-addresses.ts'

/** `shoal pull`: pulls an image through a running agent into an OCI layout. */
export const pullCommand = defineCommand({
  words: ['pull'],
  summary: 'pull an image through a running agent into an OCI layout',
  details:
    'What is in the folder already is checked and not pulled again, so a pull that was interrupted goes on where it was. Several images may share a folder.',
  argument: { placeholder: 'REF', give: 'the name of an image, such as registry.example/team/app:1.2' },
  options: {
    output: required(DIRECTORY, 'folder of the OCI layout; made if it is not there'),
    agent: defaulted(SERVER_URL, DEFAULT_AGENT_URL, "the agent's mirror"),
    admin: defaulted(
      SERVER_URL,
      DEFAULT_AGENT_ADMIN_URL,
      "the agent's admin address, which knows what comes from peers"
    ),
    platform: defaulted(
      PLATFORM,
      formatPlatform(platformOf(platform, arch)),
      'which image to take when there are several, OS/ARCH or OS/ARCH/VARIANT'
    ),
    ...COMMON_OPTIONS
  },
  async run(values, argument, context) {
    const { runPull } = await import('../pull/run-pull.ts')
    return await runPull(values, argument, context)
  }
})
