import { CommandError } from '../errors.ts'
import { defaulted, optional } from '../options/option.ts'
import { fetchJson } from '../status/fetch-json.ts'
import { formatStatus } from '../status/format-status.ts'
import { parseStatus } from '../status/status-document.ts'
import { choice } from '../values/choice.ts'
import { SERVER_URL } from '../values/url.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { DEFAULT_AGENT_ADMIN_URL, DEFAULT_REGISTRY_ADMIN_URL } from './default-addresses.ts'

/** `shoal status`: how a running agent or registry is doing. */
export const statusCommand = defineCommand({
  words: ['status'],
  summary: 'show how a running agent or registry is doing',
  options: {
    admin: optional(
      SERVER_URL,
      `its admin address (default ${DEFAULT_AGENT_ADMIN_URL}, an agent's, or else ${DEFAULT_REGISTRY_ADMIN_URL}, a registry's)`
    ),
    output: defaulted(choice('table', 'json'), 'table', 'for people, or for programs'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const asked = values.admin === undefined ? [DEFAULT_AGENT_ADMIN_URL, DEFAULT_REGISTRY_ADMIN_URL] : [values.admin]
    for (const admin of asked) {
      const url = `${admin}/api/v1/status`
      const document = await fetchJson(url, { signal: context.signal })
      if (document === undefined) continue
      const status = parseStatus(document)
      if (status === undefined) throw new CommandError(`${url} is not of a Shoal process; give another --admin`)
      context.stdout.write(
        values.output === 'json' ? `${JSON.stringify(document, undefined, 2)}\n` : formatStatus(status)
      )
      return 0
    }
    throw new CommandError(
      `nothing listens on ${asked.join(' or ')}; start "shoal agent" or "shoal registry" here, or give --admin URL of one that runs`
    )
  }
})
