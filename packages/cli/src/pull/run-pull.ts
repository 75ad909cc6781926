import {
  type Descriptor,
  type Digest,
  formatReference,
  parseReference,
  RegistryClient,
  RegistryUnreachableError
} from '@shoal/oci'
import type { CommandContext } from '../commands/command.ts'
import { CommandError, ConfigurationError, describeError } from '../errors.ts'
import type { ProgressBoard, ProgressHandle } from '../progress/board.ts'
import { createBoard } from '../progress/terminal-board.ts'
import { formatBytes, formatSeconds } from '../progress/units.ts'
import { fetchJson } from '../status/fetch-json.ts'
import type { Platform } from '../values/platform.ts'
import { type Image, resolveImage } from './image.ts'
import { Layout } from './layout.ts'
import { watchPeerShares } from './peer-shares.ts'
import { type PullListener, pullBlobs } from './pull-blobs.ts'

/** What `shoal pull` is told. */
export interface PullValues {
  readonly output: string
  /** Base URL of the agent's mirror. */
  readonly agent: string
  /** Base URL of the agent's admin address. */
  readonly admin: string
  readonly platform: Platform
}

/**
 * Pulls an image through a running agent into an OCI layout.
 *
 * @param argument the image's reference
 * @returns the exit code
 */
export async function runPull(values: PullValues, argument: string, context: CommandContext): Promise<number> {
  const reference = readReference(argument)
  const client = new RegistryClient({ url: values.agent })
  const board = createBoard(context.stdout, context.environment)
  const done = new AbortController()
  const began = performance.now()
  try {
    const options = { ns: reference.registry, signal: context.signal }
    const image = await resolveImage(client, reference, values.platform, options)
    const layout = await Layout.open(values.output)
    board.print(`${formatReference(reference)}: ${image.blobs.length} blobs, ${formatBytes(image.size)}`)
    const bars = addBars(board, image)
    const watching = watchPeerShares(
      (signal) => fetchJson(`${values.admin}/api/v1/status`, { signal }),
      bars,
      AbortSignal.any([done.signal, context.signal])
    )
    try {
      await pullBlobs(client, reference.repository, image, layout, barListener(bars), options)
    } finally {
      done.abort()
      await watching
      board.settle()
    }
    await layout.finish(image, reference)
    const seconds = formatSeconds((performance.now() - began) / 1000)
    context.stdout.write(`${image.descriptor.digest} is in ${values.output} (${formatBytes(image.size)}, ${seconds})\n`)
    return 0
  } catch (error) {
    context.signal.throwIfAborted()
    throw agentError(error, values.agent)
  } finally {
    await client.close()
  }
}

function readReference(text: string) {
  try {
    return parseReference(text)
  } catch (cause) {
    throw new ConfigurationError('REF', describeError(cause), { cause })
  }
}

const LABEL_HEX_CHARACTERS = 12

function addBars(board: ProgressBoard, image: Image): Map<Digest, ProgressHandle> {
  const label = ({ digest }: Descriptor): string => {
    const start = digest.indexOf(':') + 1
    const kind = image.manifest.config.digest === digest ? 'config' : 'layer'
    return `${kind} ${digest.slice(start, start + LABEL_HEX_CHARACTERS)}`
  }
  return new Map(image.blobs.map((blob) => [blob.digest, board.add(label(blob), blob.size)]))
}

function barListener(bars: ReadonlyMap<Digest, ProgressHandle>): PullListener {
  return {
    started: ({ digest }) => bars.get(digest)?.update({ state: 'running' }),
    advanced: ({ digest }, bytes) => bars.get(digest)?.advance(bytes),
    finished: ({ digest }, existed) =>
      existed ? bars.get(digest)?.finish('done', 'already there') : bars.get(digest)?.finish('done'),
    failed: ({ digest }) => bars.get(digest)?.finish('failed')
  }
}

function agentError(error: unknown, agent: string): unknown {
  if (!(error instanceof RegistryUnreachableError)) return error
  const why = error.cause === undefined ? '' : ` (${describeError(error.cause)})`
  const way = 'start "shoal agent" on this machine, or give --agent URL of one that runs'
  return new CommandError(`no agent answers at ${agent}${why}; ${way}`)
}
