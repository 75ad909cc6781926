import type { BenchProcess } from '../bench-system.ts'
import { cpuSeconds, machineBusySeconds, memoryUse, resetPeakMemory } from '../process-usage.ts'
import type { ProcessResult } from './results.ts'

/** Measures what processes cost from its making on. */
export class Meter {
  readonly #processes: readonly BenchProcess[]
  readonly #before = new Map<number, number>()
  readonly #ended = new Map<number, ProcessResult>()
  readonly #machineBefore = machineBusySeconds()

  constructor(processes: readonly BenchProcess[]) {
    this.#processes = processes
    for (const { pid } of processes) {
      this.#before.set(pid, cpuSeconds(pid))
      resetPeakMemory(pid)
    }
  }

  /** SIGKILLs a process, and keeps what it has cost. */
  kill(process_: BenchProcess): void {
    this.#ended.set(process_.pid, this.#read(process_))
    process.kill(process_.pid, 'SIGKILL')
  }

  /** What each process has cost. @throws Error when one is gone that was not killed here */
  results(): ProcessResult[] {
    return this.#processes.map((process) => this.#ended.get(process.pid) ?? this.#read(process))
  }

  /** Processor time of everything on the machine since the making. */
  machineCpuSeconds(): number {
    return machineBusySeconds() - this.#machineBefore
  }

  #read({ role, node, pid }: BenchProcess): ProcessResult {
    const used = cpuSeconds(pid) - (this.#before.get(pid) ?? 0)
    return { role, node: node.name, cpuSeconds: used, peakBytes: memoryUse(pid).peak }
  }
}
