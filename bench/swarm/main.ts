import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { missingRequirements } from '../../test/harness/requirements.ts'
import { RunWorkspace } from '../../test/harness/run-workspace.ts'
import { describeMachine } from '../machine.ts'
import { measurePoint } from '../points/measure-point.ts'
import { coreCount } from '../process-usage.ts'
import { SYSTEMS } from '../systems/all.ts'
import { deadlineMs } from './estimate.ts'
import { Images } from './images.ts'
import { measureCell } from './measure-cell.ts'
import { parseOptions, type SwarmOptions, USAGE, UsageError } from './options.ts'
import { profileTables, readProfiles, requestProfiles } from './profiles.ts'
import { formatDuration, Progress } from './progress.ts'
import { pointLine, swarmLine } from './report/lines.ts'
import { RunReport } from './report/run-report.ts'
import { planRun, type Step } from './run-plan.ts'

/** What the benchmark runs, with the Debian package that brings it. */
const TOOLS: Readonly<Record<string, string>> = {
  curl: 'curl',
  'docker-registry': 'docker-registry',
  ip: 'iproute2',
  nginx: 'nginx',
  nsenter: 'util-linux',
  openssl: 'openssl',
  tc: 'iproute2'
}
const EXIT_FAILED = 1
const EXIT_USAGE = 2

/** `npm run bench`: how the mesh does against plain HTTP. Returns the exit code: 1 when a cell failed. */
export async function benchSwarm(args: readonly string[]): Promise<number> {
  let options: SwarmOptions
  try {
    options = parseOptions(
      args,
      SYSTEMS.map((system) => system.name)
    )
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    console.error(`${error.message}\n\n${USAGE}`)
    return EXIT_USAGE
  }
  const plan = planRun(options.cells, SYSTEMS, coreCount())
  if (options.list) {
    for (const step of plan) console.log(`${step.name}  about ${formatDuration(step.estimateSeconds)}`)
    console.log(`in all about ${formatDuration(plan.reduce((sum, step) => sum + step.estimateSeconds, 0))}`)
    return 0
  }
  const missing = missingRequirements(TOOLS)
  if (missing.length > 0) {
    console.error(`the benchmark needs ${missing.join(', ')}`)
    return EXIT_FAILED
  }
  return await runPlan(plan, options)
}

async function runPlan(plan: readonly Step[], options: SwarmOptions): Promise<number> {
  const workspace = RunWorkspace.open()
  const report = await RunReport.open({ machine: describeMachine(), quick: options.quick, systems: SYSTEMS })
  const progress = new Progress(plan)
  const profiles = path.join(report.directory, 'profiles')
  if (options.profile) requestProfiles(profiles)
  try {
    const images = new Images(workspace.subdirectory('images'))
    for (const step of plan) {
      progress.start(step)
      const init = { workspace, images, deadlineMs: deadlineMs(step.estimateSeconds), profile: options.profile }
      if (step.kind === 'point') {
        const result = await measurePoint(step.cell, init)
        console.log(pointLine(result))
        await report.addPoint(result)
      } else {
        const result = await measureCell(step.cell, step.system, init)
        console.log(swarmLine(result))
        await report.addSwarm(result)
      }
      progress.done(step)
    }
  } finally {
    workspace.close()
  }
  if (options.profile) {
    const table = profileTables(readProfiles(profiles))
    await writeFile(path.join(report.directory, 'profile.md'), `${table}\n`)
    console.log(`\n${table}`)
  }
  console.log(`\n${report.overview()}\n\n${report.directory}`)
  return report.failed ? EXIT_FAILED : 0
}
