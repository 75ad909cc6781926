import { defaulted, optional, toggle } from '../options/option.ts'
import { ADDRESS } from '../values/address.ts'
import { count } from '../values/count.ts'
import { DIRECTORY } from '../values/text.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS, logOptions } from './common-options.ts'

const DEFAULT_AGENTS = '3'
const MAX_AGENTS = 32
/** Port 0: a free one. */
const DEFAULT_UP_LISTEN = '127.0.0.1:0'

/** `shoal up`: a mesh on this machine, and an image spread over it. */
export const upCommand = defineCommand({
  words: ['up'],
  summary: 'start a registry and agents on this machine and watch an image spread over them',
  details:
    'Everything runs in this one process and listens on the loopback only. The image is made of files that are there: Node itself and the packages of this project.',
  options: {
    agents: defaulted(count(1, MAX_AGENTS), DEFAULT_AGENTS, 'how many agents'),
    data: optional(DIRECTORY, 'folder of their data, kept at the end (default a temporary one, removed at the end)'),
    listen: defaulted(ADDRESS, DEFAULT_UP_LISTEN, 'where the registry listens; port 0 is a free one'),
    'admin-listen': defaulted(ADDRESS, DEFAULT_UP_LISTEN, "where the registry's health, metrics and status are"),
    once: toggle('end after the closing table, instead of staying up until Ctrl-C'),
    ...logOptions('warn'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const { runUp } = await import('../up/run-up.ts')
    return await runUp(values, context)
  }
})
