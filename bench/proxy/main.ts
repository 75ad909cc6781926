import { END_TO_END_TOOLS, missingRequirements } from '../../test/harness/requirements.ts'
import { describeMachine } from '../machine.ts'
import { PROXY_USAGE, type ProxyBenchOptions, parseProxyOptions } from './options.ts'
import { formatProxyTable, summarise, writeProxyReport } from './report.ts'
import { startProxySite } from './site.ts'
import { MANY, measureWay, type Sample, WAYS, warmUp } from './ways.ts'

const TOOLS = ['docker-registry']
const EXIT_USAGE = 2

/** `npm run bench -- proxy`: cold pulls of another registry's image, through Shoal and otherwise. @returns the exit code */
export async function benchProxy(args: readonly string[]): Promise<number> {
  const tools = Object.fromEntries(Object.entries(END_TO_END_TOOLS).filter(([tool]) => TOOLS.includes(tool)))
  const missing = missingRequirements(tools)
  if (missing.length > 0) {
    console.error(`the benchmark needs ${missing.join(', ')}`)
    return 1
  }
  let options: ProxyBenchOptions
  try {
    options = parseProxyOptions(args)
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n\n${PROXY_USAGE}`)
    return EXIT_USAGE
  }
  const samples: Sample[] = []
  const site = await startProxySite(MANY, options.bytesPerSecond)
  try {
    await warmUp(site)
    for (let round = 0; round < options.rounds; round++) {
      for (const way of WAYS) {
        const sample = await measureWay(site, way, options.layers)
        samples.push(sample)
        console.log(`${way.name}: ${sample.seconds.toFixed(2)} s, ${sample.upstreamCopies.toFixed(2)} copies`)
      }
    }
  } finally {
    await site.stop()
  }
  const rows = summarise(WAYS, samples)
  const report = { date: new Date().toISOString(), machine: describeMachine(), options, rows, samples }
  console.log(`\n${formatProxyTable(rows)}\n`)
  console.log(await writeProxyReport(report))
  return 0
}
