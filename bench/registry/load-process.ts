import { load } from './load.ts'
import type { LoadJob } from './load-job.ts'

// The load has a process of its own, so that it shares no thread and no memory with anything that is measured.
const job = JSON.parse(process.argv[2] ?? '') as LoadJob
console.log(JSON.stringify(await load(job)))
