import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'

/** Indexes of utime and stime behind the process's name; fields 14 and 15 of proc_pid_stat(5). */
const TIME_FIELDS = [11, 12]
/** Makes the kernel forget a process's peak of memory; proc_pid_clear_refs(5). */
const RESET_PEAK = '5'
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))

/** What a server has used. */
export interface ServerUsage {
  readonly cpuSeconds: number
  /** Bytes that it has read, from sockets and from files; proc_pid_io(5). */
  readonly readBytes: number
  /** Most memory since {@link resetPeak}, bytes. */
  readonly peakBytes: number
}

/** @throws Error when the process is gone */
export function usageOf(pid: number): ServerUsage {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const ticks = TIME_FIELDS.reduce((sum, index) => sum + Number(fields[index]), 0)
  const peakKiB = /^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  const read = /^rchar: (\d+)/m.exec(readFileSync(`/proc/${pid}/io`, 'utf8'))?.[1]
  return { cpuSeconds: ticks / TICKS_PER_SECOND, readBytes: Number(read), peakBytes: Number(peakKiB) * 1024 }
}

/** Starts the peak of a process's memory anew. */
export function resetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, RESET_PEAK)
}
