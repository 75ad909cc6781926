import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import os from 'node:os'

/** Indexes of utime, stime, cutime and cstime behind the process's name; fields 14 to 17 of proc_pid_stat(5). */
const TIME_FIELDS = [11, 12, 13, 14]
/** Indexes of idle and iowait on the first line of /proc/stat, proc_stat(5). */
const IDLE_FIELDS = [3, 4]
/** Makes the kernel forget a process's peak of memory; proc_pid_clear_refs(5). */
const RESET_PEAK = '5'
const KIBIBYTE = 1024

let ticksPerSecond: number | undefined

/**
 * Processor time of a process, all its threads and the children that it has waited for, in seconds.
 *
 * @throws Error when the process is gone
 */
export function cpuSeconds(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = TIME_FIELDS.reduce((sum, index) => sum + Number(fields[index]), 0)
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return ticks / ticksPerSecond
}

/** Processor time that the whole machine has spent on anything since it started, in seconds over all cores. */
export function machineBusySeconds(): number {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  // Time that guests took is counted in user time already; what the hypervisor stole is time that nobody here could use.
  const fields = line.trim().split(/\s+/).slice(1, 9).map(Number)
  const busy = fields.reduce((sum, ticks, index) => (IDLE_FIELDS.includes(index) ? sum : sum + ticks), 0)
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
  return busy / ticksPerSecond
}

/** How many cores the machine has. */
export function coreCount(): number {
  return os.cpus().length
}

/** Memory of a process, in bytes. */
export interface MemoryUse {
  readonly resident: number
  /** The most since the process started or {@link resetPeakMemory} was called. */
  readonly peak: number
}

/** Reads how much memory a process holds. @throws Error when the process is gone */
export function memoryUse(pid: number): MemoryUse {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return { resident: kibibytes(status, 'VmRSS') * KIBIBYTE, peak: kibibytes(status, 'VmHWM') * KIBIBYTE }
}

/** Starts the peak of a process's memory anew. */
export function resetPeakMemory(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK)
}

/** Bytes that left the network namespace of a process by its link, headers included: cheap enough to ask often. */
export function sentFromNamespace(pid: number, device = 'eth0'): number {
  const line = readFileSync(`/proc/${pid}/net/dev`, 'utf8')
    .split('\n')
    .find((candidate) => candidate.trim().startsWith(`${device}:`))
  if (line === undefined) throw new Error(`the namespace of process ${pid} has no ${device}`)
  // Eight columns of what was received come first.
  return Number(
    line
      .slice(line.indexOf(':') + 1)
      .trim()
      .split(/\s+/)[8]
  )
}

/** Processes that a process has started and that still run. */
export function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

/** Whether a process is gone, or only waits to be buried. */
export function hasEnded(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).startsWith('Z')
  } catch (error) {
    if (error instanceof Error && 'code' in error) return true
    throw error
  }
}

function kibibytes(status: string, field: string): number {
  const match = status.match(new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm'))
  if (match === null) throw new Error(`the kernel says nothing of ${field}`)
  return Number(match[1])
}
