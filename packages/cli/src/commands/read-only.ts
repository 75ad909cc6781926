import { setTimeout } from 'node:timers/promises'
import type { ReadOnlyState } from '@shoal/registry'
import { AdminApi, notShoal } from '../admin-api.ts'
import { ConfigurationError } from '../errors.ts'
import { optional } from '../options/option.ts'
import { anyText } from '../values/text.ts'
import { quote } from '../values/value-parser.ts'
import { ADMIN_OPTIONS, readPassword } from './admin-options.ts'
import { defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'

const READ_ONLY_PATH = '/api/v1/read-only'
/** How often the registry is asked whether the last push is over. */
const POLL_MS = 200

/** `shoal read-only`: has a running registry refuse pushes and deletes, or take them again. */
export const readOnlyCommand = defineCommand({
  words: ['read-only'],
  summary: 'have a running registry refuse pushes and deletes ("on"), or take them again ("off")',
  details:
    'Pulls go on. "on" waits for the pushes that were under way; uploads can be gone on with after "off". The mode holds after a restart of the registry. Garbage is not collected meanwhile.',
  argument: { placeholder: 'on|off', give: 'on or off' },
  options: {
    reason: optional(anyText('TEXT'), 'what clients are told'),
    ...ADMIN_OPTIONS,
    ...COMMON_OPTIONS
  },
  async run(values, argument, context) {
    if (argument !== 'on' && argument !== 'off') throw new ConfigurationError(quote(argument), 'give on or off')
    const { reason = '', registry } = values
    const { signal, stdout } = context
    const api = new AdminApi(registry, await readPassword(values, context))
    const known = (document: unknown): ReadOnlyState => {
      if (!isState(document)) throw notShoal(`${registry}${READ_ONLY_PATH}`)
      return document
    }
    const isOn = argument === 'on'
    let state = known(await api.ask('PUT', READ_ONLY_PATH, signal, { readOnly: isOn, ...(isOn ? { reason } : {}) }))
    while (isOn && state.readOnly && state.writesUnderWay > 0) {
      await setTimeout(POLL_MS, undefined, { signal })
      state = known(await api.ask('GET', READ_ONLY_PATH, signal))
    }
    stdout.write(state.readOnly ? 'the registry is read-only\n' : 'the registry takes pushes and deletes\n')
    return 0
  }
})

function isState(document: unknown): document is ReadOnlyState {
  return typeof document === 'object' && document !== null && 'readOnly' in document && 'writesUnderWay' in document
}
