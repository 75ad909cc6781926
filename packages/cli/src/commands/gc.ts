import { setTimeout } from 'node:timers/promises'
import type { CollectionState } from '@shoal/registry'
import { CommandError } from '../errors.ts'
import { formatProgress, formatResult } from '../gc/format-gc.ts'
import { GcClient } from '../gc/gc-client.ts'
import { defaulted, toggle } from '../options/option.ts'
import { choice } from '../values/choice.ts'
import { DURATION } from '../values/duration.ts'
import { ADMIN_OPTIONS, readPassword } from './admin-options.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'

/** What was used within this time stays. */
export const DEFAULT_GRACE = '2h'
/** How often the registry is asked how far it is. */
const POLL_MS = 250
/** Shortest time between two lines of progress where there is no terminal. */
const PLAIN_PROGRESS_MS = 2000

/** `shoal gc`: has a running registry collect garbage. */
export const gcCommand = defineCommand({
  words: ['gc'],
  summary: 'have a running registry remove what nothing refers to, and what its policies do not keep',
  details:
    'Pushes, pulls and deletes go on meanwhile. What was pushed, mounted or asked for within the grace window stays. When this command is interrupted, the registry goes on; --cancel ends it.',
  options: {
    ...ADMIN_OPTIONS,
    'dry-run': toggle('only say what would be removed'),
    untagged: toggle('remove manifests that no tag, index or subject keeps, not only where a policy says so'),
    grace: defaulted(DURATION, DEFAULT_GRACE, 'what was used within this time stays; 0s only when nobody pushes'),
    cancel: toggle('end the collection that is under way'),
    output: defaulted(choice('text', 'json'), 'text', 'for people, or for programs'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const client = new GcClient(values.registry, await readPassword(values, context))
    let state: CollectionState
    if (values.cancel) {
      state = await client.cancel(context.signal)
    } else {
      const { 'dry-run': dryRun, grace, untagged } = values
      state = await client.start({ dryRun, untagged, graceSeconds: grace / 1000 }, context.signal)
      state = await untilOver(client, state, context)
    }
    context.stdout.write(values.output === 'json' ? `${JSON.stringify(state, undefined, 2)}\n` : formatResult(state))
    if (state.status === 'failed') throw new CommandError(`the collection failed: ${state.error ?? 'nobody knows why'}`)
    return state.status === 'cancelled' && !values.cancel ? 1 : 0
  }
})

/** Wait for the end of a collection, and show how far it is. */
async function untilOver(client: GcClient, begun: CollectionState, context: CommandContext): Promise<CollectionState> {
  const { signal, stderr } = context
  let shownAt = Number.NEGATIVE_INFINITY
  let state = begun
  while (state.status === 'running') {
    const now = performance.now()
    if (stderr.isTTY === true) stderr.write(`\r\u001b[K${formatProgress(state)}`)
    else if (now - shownAt >= PLAIN_PROGRESS_MS) {
      stderr.write(`${formatProgress(state)}\n`)
      shownAt = now
    }
    await setTimeout(POLL_MS, undefined, { signal }).catch((error: unknown) => {
      signal.throwIfAborted()
      throw error
    })
    const next = await client.state(signal)
    if (next.id !== begun.id) throw new CommandError('another collection has begun meanwhile; this one is over')
    state = next
  }
  if (stderr.isTTY === true) stderr.write('\r\u001b[K')
  return state
}
