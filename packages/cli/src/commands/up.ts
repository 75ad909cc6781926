import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Reference, RegistryClient } from '@shoal/oci'
import { makeDirectory } from '../files.ts'
import { defaulted, optional, toggle } from '../options/option.ts'
import type { ProgressBoard } from '../progress/board.ts'
import { createBoard } from '../progress/terminal-board.ts'
import { formatBytes, formatSeconds } from '../progress/units.ts'
import { untilShutdown } from '../signals.ts'
import { formatTable } from '../text-table.ts'
import { type AgentResult, formatClosingTable } from '../up/closing-table.ts'
import { type LocalMesh, startLocalMesh } from '../up/local-mesh.ts'
import { pullThroughAgent } from '../up/pull-through-agent.ts'
import { pushSample } from '../up/push-sample.ts'
import { buildSampleImage, type SampleImage } from '../up/sample-image.ts'
import { ADDRESS, formatAddress, loopbackUrl } from '../values/address.ts'
import { count } from '../values/count.ts'
import { DIRECTORY } from '../values/text.ts'
import { type CommandContext, defineCommand } from './command.ts'
import { COMMON_OPTIONS, loggerFrom, logOptions } from './common-options.ts'

const DEFAULT_AGENTS = '3'
const MAX_AGENTS = 32
/** Port 0: a free one. */
const DEFAULT_UP_LISTEN = '127.0.0.1:0'
const SAMPLE_REPOSITORY = 'shoal/sample'
const SAMPLE_TAG = 'latest'

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
    const board = createBoard(context.stdout, context.environment)
    // On a terminal the log shares the screen with the bars, so it goes above them.
    const shared = context.stdout.isTTY === true && context.stderr.isTTY === true
    const logger = loggerFrom(values, context, shared ? (line) => board.print(line) : undefined)
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
})

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
