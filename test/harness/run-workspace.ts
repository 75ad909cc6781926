import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { isNoSuchProcess } from './process.ts'

const PREFIX = 'shoal-run'
const OWNER_PATTERN = /^shoal-run-(\d+)-(\d+)(?:-|$)/
const EXIT_CODE_INTERRUPTED = 130
const NAMESPACE_DIRECTORY = '/run/netns'
/** Files here are in memory: what many nodes would write to disks of their own does not queue up at one machine's disk. */
const MEMORY_DIRECTORY = '/dev/shm'
/** How often namespaces are emptied again: a process may fork between the listing and the kill. */
const KILL_ROUNDS = 20

/**
 * What one run of a test file or benchmark leaves on the machine while it runs: a temporary directory and network
 * namespaces, all under one prefix that names the process that owns them. They are removed when the process ends,
 * also by SIGINT; what a killed run left behind is swept by the next.
 */
export class RunWorkspace {
  /** Prefix of every name made by this run. */
  readonly prefix: string
  /** Temporary directory; its path is short, since unix sockets lie below it. */
  readonly directory: string
  readonly #remove = () => this.#removeNow()
  readonly #interrupt = () => process.exit(EXIT_CODE_INTERRUPTED)
  #open = true
  #rooms = 0

  /** Sweeps what dead runs left, and opens this run's own workspace. */
  static open(): RunWorkspace {
    sweepDeadRuns()
    return new RunWorkspace()
  }

  private constructor() {
    this.prefix = `${PREFIX}-${process.pid}-${startTimeOf(process.pid) ?? 0}`
    this.directory = path.join(tmpdir(), this.prefix)
    mkdirSync(this.directory, { recursive: true })
    process.once('exit', this.#remove)
    process.once('SIGINT', this.#interrupt)
    process.once('SIGTERM', this.#interrupt)
  }

  /** Makes a directory below the workspace and returns its path. */
  subdirectory(...names: string[]): string {
    return makeDirectory(this.directory, ...names)
  }

  /** Opens a part of the run that can be closed before it; its files may lie in memory. */
  room(name: string, options: { inMemory?: boolean } = {}): Room {
    // Numbered: a room that is closed late must not take a later one of the same name with it.
    const prefix = `${this.prefix}-${name}${++this.#rooms}`
    const directory = makeDirectory(options.inMemory === true ? MEMORY_DIRECTORY : tmpdir(), prefix)
    return {
      prefix,
      directory,
      subdirectory: (...names) => makeDirectory(directory, ...names),
      close: () => removeRun(prefix)
    }
  }

  /** Kills what still runs in the namespaces, and removes them and the directory. */
  close(): void {
    this.#removeNow()
    process.off('exit', this.#remove)
    process.off('SIGINT', this.#interrupt)
    process.off('SIGTERM', this.#interrupt)
  }

  // Synchronous: it also runs while the process exits.
  #removeNow(): void {
    if (!this.#open) return
    this.#open = false
    removeRun(this.prefix)
  }
}

/** A part of a run: names and files of its own, removed when it is closed or else with the run. */
export interface Room {
  readonly prefix: string
  readonly directory: string
  /** Makes a directory below the room's and returns its path. */
  subdirectory(...names: string[]): string
  /** Kills what still runs in the room's namespaces, and removes them and the directory. */
  close(): void
}

/** Removes whatever belongs to runs whose process is gone. Returns the prefixes that it removed. */
export function sweepDeadRuns(): string[] {
  const dead = new Set<string>()
  for (const name of [
    ...listDirectory(NAMESPACE_DIRECTORY),
    ...listDirectory(tmpdir()),
    ...listDirectory(MEMORY_DIRECTORY)
  ]) {
    const [, pid, startTime] = name.match(OWNER_PATTERN) ?? []
    // The start time tells a run that still lives from another process that was given the same id later.
    if (pid !== undefined && startTimeOf(Number(pid)) !== startTime) dead.add(`${PREFIX}-${pid}-${startTime}`)
  }
  for (const prefix of dead) removeRun(prefix)
  return [...dead]
}

function removeRun(prefix: string): void {
  const namespaces = listDirectory(NAMESPACE_DIRECTORY).filter((name) => name.startsWith(`${prefix}-`))
  for (const namespace of namespaces) killProcessesIn(namespace)
  for (const namespace of namespaces) execFileSync('ip', ['netns', 'delete', namespace])
  for (const root of [tmpdir(), MEMORY_DIRECTORY]) {
    for (const name of listDirectory(root).filter((entry) => entry === prefix || entry.startsWith(`${prefix}-`))) {
      rmSync(path.join(root, name), { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    }
  }
}

function makeDirectory(...names: string[]): string {
  const directory = path.join(...names)
  mkdirSync(directory, { recursive: true })
  return directory
}

function killProcessesIn(namespace: string): void {
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const pids = execFileSync('ip', ['netns', 'pids', namespace], { encoding: 'utf8' }).split('\n').filter(Boolean)
    if (pids.length === 0) return
    for (const pid of pids) {
      try {
        process.kill(Number(pid), 'SIGKILL')
      } catch (error) {
        if (!isNoSuchProcess(error)) throw error
      }
    }
  }
}

/** When a process was started, in the kernel's ticks since boot; undefined when it is gone. Field 22 of proc_pid_stat(5). */
function startTimeOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

function listDirectory(directory: string): string[] {
  try {
    return readdirSync(directory)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return []
    throw error
  }
}
