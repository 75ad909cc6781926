import { benchProxy } from './proxy/main.ts'
import { benchRegistry } from './registry/main.ts'
import { benchSwarm } from './swarm/main.ts'

/** What can be measured; the first word of the command line, `swarm` when there is none. */
const SUBJECTS: Readonly<Record<string, (args: readonly string[]) => Promise<number>>> = {
  swarm: benchSwarm,
  registry: benchRegistry,
  proxy: benchProxy
}
const EXIT_USAGE = 2

const [first = '', ...rest] = process.argv.slice(2)
const named = first !== '' && !first.startsWith('-')
const subject = SUBJECTS[named ? first : 'swarm']
if (subject === undefined) {
  console.error(`there is no benchmark called ${first}; there are ${Object.keys(SUBJECTS).join(', ')}`)
  process.exitCode = EXIT_USAGE
} else {
  process.exitCode = await subject(named ? rest : process.argv.slice(2))
}
