import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/** Indexes of utime, stime, cutime and cstime behind the process's name; fields 14 to 17 of proc_pid_stat(5). */
const TIME_FIELDS = [11, 12, 13, 14]

/** Processor time of processes and of the children that they have waited for, in seconds. @throws Error when one is gone */
export function cpuSeconds(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return TIME_FIELDS.reduce((sum, index) => sum + Number(fields[index]), 0)
  })
  return ticks.reduce((sum, time) => sum + time, 0) / ticksPerSecond()
}

function ticksPerSecond(): number {
  return Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
}
