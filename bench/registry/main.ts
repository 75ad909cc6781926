import { rmSync } from 'node:fs'
import { Network, type NetworkNode } from '../../test/harness/namespaces.ts'
import { run } from '../../test/harness/process.ts'
import { END_TO_END_TOOLS, missingRequirements } from '../../test/harness/requirements.ts'
import { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { describeMachine } from '../machine.ts'
import { type Cell, chooseSubjects, type Subject } from './cells.ts'
import { checkSeed, measureCell, type Sample, seed } from './measure.ts'
import { parseRegistryOptions, REGISTRY_USAGE, type RegistryBenchOptions } from './options.ts'
import { formatRegistryTable, type RegistryReport, writeRegistryReport } from './report.ts'
import { DOCKER_REGISTRY, type MeasuredServer, SHOAL_REGISTRY } from './servers.ts'
import { type CellSummary, summariseCell } from './summary.ts'

const SERVERS = [DOCKER_REGISTRY, SHOAL_REGISTRY]
const TOOLS = ['curl', 'docker-registry', 'ip', 'nsenter']
const EXIT_USAGE = 2

/** `npm run bench -- registry`: pushes and pulls, side by side with docker-registry. @returns the exit code */
export async function benchRegistry(args: readonly string[]): Promise<number> {
  const tools = Object.fromEntries(Object.entries(END_TO_END_TOOLS).filter(([tool]) => TOOLS.includes(tool)))
  const missing = missingRequirements(tools)
  if (missing.length > 0) {
    console.error(`the benchmark needs ${missing.join(', ')}`)
    return 1
  }
  let options: RegistryBenchOptions
  let subjects: Subject[]
  try {
    options = parseRegistryOptions(args)
    subjects = chooseSubjects(options)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${REGISTRY_USAGE}`)
    return EXIT_USAGE
  }
  const workspace = RunWorkspace.open()
  try {
    const cells: CellSummary[] = []
    // Over the loopback of a namespace of its own: ports are free there, and nothing else uses it.
    const node = await (await Network.create(workspace)).addNode('registry')
    for (const subject of subjects) cells.push(...(await measureSubject(subject, options, node, workspace)))
    const fileSystem = (await run(['stat', '--file-system', '--format', '%T', workspace.directory])).trim()
    const report: RegistryReport = {
      date: new Date().toISOString(),
      machine: describeMachine(),
      options,
      storage: `stored on ${fileSystem}`,
      servers: SERVERS.map(({ name, description }) => ({ name, description })),
      cells
    }
    console.log(`\n${formatRegistryTable(report)}\n`)
    console.log((await writeRegistryReport(report)).join('\n'))
    return 0
  } finally {
    workspace.close()
  }
}

/** All cells of a size. */
async function measureSubject(
  subject: Subject,
  options: RegistryBenchOptions,
  node: NetworkNode,
  workspace: RunWorkspace
): Promise<CellSummary[]> {
  const samples = new Map(subject.cells.map((cell) => [cell, newSamples()]))
  for (let round = 0; round < options.rounds; round++) await measureRound(subject, round, samples, node, workspace)
  return [...samples].map(([cell, ofCell]) => summariseCell(subject, cell, ofCell))
}

/** All cells of a size once, on servers that start empty, so that the disk has to hold one round. */
async function measureRound(
  subject: Subject,
  round: number,
  samples: ReadonlyMap<Cell, ReadonlyMap<string, Sample[]>>,
  node: NetworkNode,
  workspace: RunWorkspace
): Promise<void> {
  const servers: MeasuredServer[] = []
  try {
    // One after the other: both take the same port unless told otherwise, each on an address of its own.
    for (const [number, kind] of SERVERS.entries()) {
      const at = { ...node, ipv4: `127.0.0.${number + 1}` }
      servers.push(await kind.start(at, workspace.subdirectory(subject.name, kind.name)))
    }
    for (const server of servers) await seed(node, server, subject)
    for (const [cell, ofCell] of samples) {
      // Whoever goes second finds a warmer machine, or a busier disk.
      for (const server of round % 2 === 0 ? servers : servers.toReversed()) {
        ofCell.get(server.name)?.push(await measureCell(node, server, subject, cell, round))
      }
      const { throughputRatio } = summariseCell(subject, cell, ofCell)
      console.log(`${cell.kind} ${subject.name} × ${cell.concurrency}: ratio ${throughputRatio.toFixed(2)} so far`)
    }
    for (const server of servers) await checkSeed(node, server, subject)
  } finally {
    for (const server of servers) await server.stop()
    rmSync(workspace.subdirectory(subject.name), { recursive: true, force: true })
  }
}

function newSamples(): Map<string, Sample[]> {
  return new Map(SERVERS.map(({ name }) => [name, []]))
}
