import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import type { BenchSystem } from '../../bench-system.ts'
import type { Machine } from '../../machine.ts'
import { NODE_LINK_MBIT } from '../cells.ts'
import type { PointResult, Results, SwarmResult } from '../results.ts'
import { summarise } from '../summary.ts'
import { overviewTable } from './overview.ts'
import { drawPlots, type Plot } from './plots.ts'
import { pointTables, swarmTables } from './tables.ts'
import { checkTargets, targetsTable } from './targets.ts'

const RESULTS_DIRECTORY = fileURLToPath(new URL('../../results', import.meta.url))

/** What a report starts with. */
export interface RunReportInit {
  readonly machine: Machine
  readonly quick: boolean
  readonly systems: readonly BenchSystem[]
}

/** The results of a run, in files that are written anew with each cell: a run that is interrupted keeps what it has. */
export class RunReport {
  readonly directory: string
  readonly #init: RunReportInit
  readonly #date: string
  readonly #swarm: SwarmResult[] = []
  readonly #points: PointResult[] = []

  static async open(init: RunReportInit): Promise<RunReport> {
    const date = new Date().toISOString()
    const directory = path.join(RESULTS_DIRECTORY, date.replaceAll(':', '-'))
    await mkdir(directory, { recursive: true })
    return new RunReport(init, date, directory)
  }

  private constructor(init: RunReportInit, date: string, directory: string) {
    this.#init = init
    this.#date = date
    this.directory = directory
  }

  /** Whether anything failed: a cell, or a pull in it. */
  get failed(): boolean {
    return (
      this.#points.some((point) => point.error !== undefined) ||
      this.#swarm.some(
        (result) => result.error !== undefined || result.rounds.some((round) => round.failures.length > 0)
      )
    )
  }

  async addSwarm(result: SwarmResult): Promise<void> {
    this.#swarm.push(result)
    await this.#write()
  }

  async addPoint(result: PointResult): Promise<void> {
    this.#points.push(result)
    await this.#write()
  }

  /** Targets and an overview, for who watches. */
  overview(): string {
    const table = overviewTable(this.#results, this.#init.machine.cores)
    return [...this.#targets(), ...(table === '' ? [] : [`## In short\n\n${table}`])].join('\n\n')
  }

  #targets(): string[] {
    const targets = checkTargets(this.#results, this.#init.machine.cores)
    return targets.length === 0 ? [] : [`## Targets\n\n${targetsTable(targets)}`]
  }

  get #results(): Results {
    return { swarm: this.#swarm, points: this.#points }
  }

  async #write(): Promise<void> {
    const { machine, quick } = this.#init
    const results = this.#results
    const plots = drawPlots(results, machine.cores)
    for (const plot of plots) await writeFile(path.join(this.directory, plot.file), plot.svg)
    const document = {
      date: this.#date,
      machine,
      quick,
      nodeLinkMbit: NODE_LINK_MBIT,
      targets: checkTargets(results, machine.cores),
      swarm: results.swarm.map((result) => ({ ...result, summary: summarise(result, machine.cores) })),
      points: results.points
    }
    await writeFile(path.join(this.directory, 'report.json'), `${JSON.stringify(document, null, 2)}\n`)
    await writeFile(path.join(this.directory, 'report.md'), this.#page(plots))
  }

  #page(plots: readonly Plot[]): string {
    const { machine, quick, systems } = this.#init
    const results = this.#results
    const measured = systems.filter((system) => this.#swarm.some((result) => result.system === system.name))
    return `# Images to many nodes

${this.#date}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.kernel}, Node ${machine.node}.
${quick ? '\nA quick run: it shows that everything works; its figures mean little.\n' : ''}
Every node, the registry and the clients that pull are processes on this one machine, each node in a network namespace of
its own. Where it says "saturated", the ${machine.cores} cores were the limit and not the links: on machines of their own the nodes
would have been faster.

${measured.map((system) => `- ${system.name}: ${system.description}`).join('\n')}

${this.overview()}

## Figures

${swarmTables(results, machine.cores)}

${pointTables(this.#points)}

${plots.map((plot) => `![${plot.file}](${plot.file})`).join('\n')}

## What the figures are

- Before the clock starts, all nodes pull another image of 10 MB once: what runs for weeks in a cluster is connected and compiled.
- A pull is the manifest, then config and layers, three at a time, by a client that throws the bytes away. One node's copy is
  checked against its digest after the clock has stopped.
- Fluid bound: the least time in which the links (registry as given, nodes ${NODE_LINK_MBIT} Mbit/s, both ways) let all nodes have the
  image, headers not counted. (A shaped link lets 256 KiB through before its rate holds, which 1 MB feels.) For a rolling pull, the sum of its waves' bounds against the whole rollout; else against p99.
- Machine bound: the longer of that and the processor time of system and clients, spread over all cores.
- Processor busy: of all cores, while nodes pulled; "by others" is the part that was neither the system's nor its clients',
  such as the kernel's own work and other programs on the machine. Where it is large, the cell was disturbed.
- First byte: from the request of a layer to its first byte.
- Registry bytes: what its link carried, headers included. CPU-s/GB: processor time of all the system's processes, clients
  not counted, for 10^9 bytes delivered to a node. Peak MiB: the most that one process of the role held (VmHWM).
- Stores lie in memory where they fit: the nodes would have disks of their own.
`
  }
}
