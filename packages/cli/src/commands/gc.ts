import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { CollectionState } from '@shoal/registry'
import { CommandError, describeError } from '../errors.ts'
import { formatProgress, formatResult } from '../gc/format-gc.ts'
import { GcClient } from '../gc/gc-client.ts'
import { defaulted, optional, toggle } from '../options/option.ts'
import { choice } from '../values/choice.ts'
import { DURATION } from '../values/duration.ts'
import { DIRECTORY, FILE } from '../values/text.ts'
import { SERVER_URL } from '../values/url.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { COMMON_OPTIONS } from './common-options.ts'
import { ADMIN_PASSWORD_FILE, DEFAULT_REGISTRY_DATA } from './data-folders.ts'

/** Where a registry listens unless told otherwise, from its own machine. */
export const DEFAULT_GC_REGISTRY = 'http://127.0.0.1:5000'
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
    registry: defaulted(SERVER_URL, DEFAULT_GC_REGISTRY, "the registry's address"),
    data: defaulted(DIRECTORY, DEFAULT_REGISTRY_DATA, "the registry's data folder, where its password is"),
    'password-file': optional(FILE, 'a file with the password of "admin" (default admin-password in --data)'),
    'dry-run': toggle('only say what would be removed'),
    untagged: toggle('remove manifests that no tag, index or subject keeps, not only where a policy says so'),
    grace: defaulted(DURATION, DEFAULT_GRACE, 'what was used within this time stays; 0s only when nobody pushes'),
    cancel: toggle('end the collection that is under way'),
    output: defaulted(choice('text', 'json'), 'text', 'for people, or for programs'),
    ...COMMON_OPTIONS
  },
  async run(values, _argument, context) {
    const file = values['password-file'] ?? join(values.data, ADMIN_PASSWORD_FILE)
    const client = new GcClient(values.registry, await readPassword(file, context))
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

async function readPassword(file: string, context: CommandContext): Promise<string> {
  try {
    return (await context.readFile(file)).trim()
  } catch (cause) {
    throw new CommandError(
      `cannot read ${file}: ${describeError(cause)}; give the registry's data folder with --data, or --password-file`,
      { cause }
    )
  }
}

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
