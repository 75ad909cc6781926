import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Reference, RegistryClient } from '@shoal/oci'
import type { CommandContext } from '../commands/command.ts'
import { type LogValues, loggerFrom } from '../commands/common-options.ts'
import { makeDirectory } from '../files.ts'
import type { ProgressBoard } from '../progress/board.ts'
import { createBoard } from '../progress/terminal-board.ts'
import { formatBytes, formatSeconds } from '../progress/units.ts'
import { untilShutdown } from '../signals.ts'
import { formatTable } from '../text-table.ts'
import { formatAddress, type HostPort, loopbackUrl } from '../values/address.ts'
import { type AgentResult, formatClosingTable } from './closing-table.ts'
import { type LocalMesh, startLocalMesh } from './local-mesh.ts'
import { pullThroughAgent } from './pull-through-agent.ts'
import { pushSample } from './push-sample.ts'
import { buildSampleImage, type SampleImage } from './sample-image.ts'

const SAMPLE_REPOSITORY = 'shoal/sample'
const SAMPLE_TAG = 'latest'

/** What `shoal up` is told. */
export interface UpValues extends LogValues {
  readonly agents: number
  readonly data: string | undefined
  readonly listen: HostPort
  readonly 'admin-listen': HostPort
  readonly once: boolean
}

/** Starts a mesh on this machine and spreads an image over it. @returns the exit code */
export async function runUp(values: UpValues, context: CommandContext): Promise<number> {
  const board = createBoard(context.stdout, context.environment)
  // On a terminal the log shares the screen with the bars, so it goes above them.
  const shared = context.stdout.isTTY === true && context.stderr.isTTY === true
  const logger = await loggerFrom(values, context, shared ? (line) => board.print(line) : undefined)
  const temporary = values.data === undefined ? await mkdtemp(join(tmpdir(), 'shoal-')) : undefined
  const directory = values.data ?? temporary ?? ''
  let mesh: LocalMesh | undefined
  try {
    await makeDirectory(directory, '--data')
    const { agents, listen, 'admin-listen': adminListen } = values
    board.print(`Starting a registry and ${agents} ${agents === 1 ? 'agent' : 'agents'}`)
    mesh = await startLocalMesh({ directory, agents, listen, adminListen, logger }, { signal: context.signal })
    const image = await makeSample(board, context)
    await push(mesh, image, board, context)
    await spread(mesh, image, board, context)
    if (values.once) return 0
    context.stdout.write(`${describeMesh(mesh, directory)}\nThe mesh stays up; Ctrl-C ends it.\n`)
    await untilShutdown(context.signal)
    return 0
  } finally {
    board.settle()
    await mesh?.stop()
    if (temporary !== undefined) await rm(temporary, { recursive: true, force: true })
  }
}

async function makeSample(board: ProgressBoard, context: CommandContext): Promise<SampleImage> {
  const began = performance.now()
  const bar = board.add('make the image')
  bar.update({ state: 'running' })
  const image = await buildSampleImage((layer) => bar.advance(layer.size), { signal: context.signal })
  bar.finish('done')
  board.settle()
  const made = formatSeconds((performance.now() - began) / 1000)
  board.print(`The image has ${image.layers.length} layers and ${formatBytes(image.size)}, made in ${made}`)
  return image
}

async function push(mesh: LocalMesh, image: SampleImage, board: ProgressBoard, context: CommandContext): Promise<void> {
  const { adminPassword, address } = mesh.registry
  const client = new RegistryClient({
    url: loopbackUrl(address),
    credentials: { username: 'admin', password: adminPassword }
  })
  try {
    const bar = board.add('push', image.size)
    await pushSample(client, SAMPLE_REPOSITORY, SAMPLE_TAG, image, bar, { signal: context.signal })
    board.settle()
  } finally {
    await client.close()
  }
}

async function spread(
  mesh: LocalMesh,
  image: SampleImage,
  board: ProgressBoard,
  context: CommandContext
): Promise<void> {
  const { registry } = mesh
  const before = (await registry.status()).bytesSent
  const reference: Reference = {
    registry: hostOf(mesh),
    repository: SAMPLE_REPOSITORY,
    tag: SAMPLE_TAG
  }
  const bars = mesh.agents.map(({ name, process }) => ({ name, process, bar: board.add(name, image.size) }))
  const agents = await Promise.all(
    bars.map(async ({ name, process, bar }): Promise<AgentResult> => {
      const result = await pullThroughAgent(process, reference, bar, { signal: context.signal })
      return { name, peerId: process.peerId, result }
    })
  )
  board.settle()
  const after = (await registry.status()).bytesSent
  const registryBytes = after.peer + after.client - before.peer - before.client
  context.stdout.write(`\n${formatClosingTable(agents, image.size, registryBytes)}\n`)
}

function hostOf(mesh: LocalMesh): string {
  return new URL(loopbackUrl(mesh.registry.address)).host
}

function describeMesh(mesh: LocalMesh, directory: string): string {
  const { registry, agents } = mesh
  const row = (name: string, process: { address: typeof registry.address; adminAddress: typeof registry.address }) => [
    name,
    loopbackUrl(process.address),
    `${loopbackUrl(process.adminAddress)}/api/v1/status`
  ]
  const table = formatTable(
    ['', 'ADDRESS', 'CONSOLE'],
    [row('registry', registry), ...agents.map(({ name, process }) => row(name, process))]
  )
  const [first] = agents
  if (first === undefined) return `${table.join('\n')}\n`
  const pull = `shoal pull ${hostOf(mesh)}/${SAMPLE_REPOSITORY}:${SAMPLE_TAG} --output sample`
  const hints = [
    `Data: ${directory}`,
    `Push as admin with the password in ${registry.adminPasswordFile}`,
    `Pull: ${pull} --agent ${loopbackUrl(first.process.address)} --admin ${loopbackUrl(first.process.adminAddress)}`,
    `Look: shoal status --admin http://${formatAddress(first.process.adminAddress)}`
  ]
  return `${table.join('\n')}\n\n${hints.join('\n')}\n`
}
