import { type ChildProcess, spawn } from 'node:child_process'
import { within } from './deadline.ts'
import { findTool } from './requirements.ts'

/** How much of a process's output is kept for failure messages. */
const OUTPUT_LIMIT_CHARACTERS = 256 * 1024
const OUTPUT_TAIL_LINES = 40
/** A process that ignores SIGTERM for so long is killed. */
const STOP_GRACE_MS = 15_000
const COMMAND_DEADLINE_MS = 120_000

/** How a process ended. */
export interface ExitStatus {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** Where and how a command runs. */
export interface SpawnOptions {
  /** Network namespace; the host's when absent. */
  readonly namespace?: string | undefined
  /** A mount namespace of its own: what it mounts is gone as soon as its last process is. */
  readonly privateMounts?: boolean
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** What failure messages call it; the command's first word when absent. */
  readonly name?: string
}

/** The command line that runs `command` in the namespaces asked for. No shell, and no process in between: every step execs. */
export function commandLine(command: readonly string[], options: SpawnOptions = {}): string[] {
  const line = [...command]
  if (options.privateMounts === true) line.unshift('unshare', '--mount', '--propagation', 'private', '--')
  // nsenter and not `ip netns exec`, which remounts /sys and so hides the control groups that runc needs.
  if (options.namespace !== undefined) line.unshift('nsenter', `--net=/run/netns/${options.namespace}`, '--')
  return line
}

/** A running process of a test, with its output. It leads a process group of its own. */
export class ManagedProcess {
  readonly name: string
  readonly pid: number
  readonly exited: Promise<ExitStatus>
  readonly #child: ChildProcess
  readonly #outputListeners = new Set<() => void>()
  #output = ''
  #status: ExitStatus | undefined

  /** Starts a command. @throws Error when the command cannot be started */
  static async spawn(command: readonly string[], options: SpawnOptions = {}): Promise<ManagedProcess> {
    const [file, ...args] = commandLine(command, options)
    if (file === undefined) throw new Error('an empty command line')
    const child = spawn(findTool(file) ?? file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...options.env },
      detached: true,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd })
    })
    const exited = new Promise<ExitStatus>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }))
    })
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve)
      child.once('error', reject)
    })
    return new ManagedProcess(child, exited, options.name ?? command[0] ?? file)
  }

  private constructor(child: ChildProcess, exited: Promise<ExitStatus>, name: string) {
    if (child.pid === undefined) throw new Error(`${name} has no process id`)
    this.#child = child
    this.pid = child.pid
    this.name = name
    this.exited = exited
    void exited.then((status) => {
      this.#status = status
      this.#changed()
    })
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8')
      stream?.on('data', (text: string) => {
        this.#output = (this.#output + text).slice(-OUTPUT_LIMIT_CHARACTERS)
        this.#changed()
      })
    }
  }

  get running(): boolean {
    return this.#status === undefined
  }

  /** Standard output and error, in the order of arrival; the last {@link OUTPUT_LIMIT_CHARACTERS} of them. */
  get output(): string {
    return this.#output
  }

  /** The last lines of the output, for a failure message. */
  get tail(): string {
    return this.#output.trimEnd().split('\n').slice(-OUTPUT_TAIL_LINES).join('\n')
  }

  /** Waits until the output matches. @throws Error with the output when the process ends first or is too slow */
  async waitForOutput(pattern: RegExp, deadlineMs: number): Promise<RegExpMatchArray> {
    const found = Promise.withResolvers<RegExpMatchArray>()
    const look = () => {
      const match = this.#output.match(pattern)
      if (match !== null) found.resolve(match)
      else if (!this.running) found.reject(new Error(`${this.name} ended before it printed ${pattern}`))
    }
    this.#outputListeners.add(look)
    try {
      look()
      return await within(found.promise, { deadlineMs, what: `${this.name} printing ${pattern}` })
    } catch (cause) {
      throw new Error(`${this.name} did not print ${pattern}; its output ends:\n${this.tail}`, { cause })
    } finally {
      this.#outputListeners.delete(look)
    }
  }

  /** Waits for the end of the process. @throws Error with the output when it is too slow */
  async waitForExit(deadlineMs: number): Promise<ExitStatus> {
    try {
      return await within(this.exited, { deadlineMs, what: `${this.name} ending` })
    } catch (cause) {
      throw new Error(`${this.name} is still running; its output ends:\n${this.tail}`, { cause })
    }
  }

  /** SIGTERM, then SIGKILL when it takes longer than the grace. Does nothing to a process that has ended. */
  async stop(graceMs = STOP_GRACE_MS): Promise<ExitStatus> {
    if (this.running) this.#child.kill('SIGTERM')
    try {
      return await within(this.exited, { deadlineMs: graceMs, what: `${this.name} ending` })
    } catch (error) {
      if (!(error instanceof Error)) throw error
      return this.kill()
    }
  }

  /** SIGKILL to the whole group, without a chance to tidy up. */
  async kill(): Promise<ExitStatus> {
    if (this.running) {
      try {
        process.kill(-this.pid, 'SIGKILL')
      } catch (error) {
        if (!isNoSuchProcess(error)) throw error
      }
    }
    return this.exited
  }

  #changed(): void {
    for (const listener of this.#outputListeners) listener()
  }
}

/** What a command printed, and how it ended. */
export interface CommandResult extends ExitStatus {
  readonly output: string
}

/** Runs a command to its end, whatever the end is. @throws Error when it takes too long; it is killed then */
export async function tryRun(
  command: readonly string[],
  options: SpawnOptions & { deadlineMs?: number } = {}
): Promise<CommandResult> {
  const child = await ManagedProcess.spawn(command, { name: command.join(' '), ...options })
  try {
    const status = await child.waitForExit(options.deadlineMs ?? COMMAND_DEADLINE_MS)
    return { ...status, output: child.output }
  } finally {
    await child.kill()
  }
}

/** Runs a command that has to succeed, and returns what it printed. @throws Error with its output when it fails */
export async function run(
  command: readonly string[],
  options: SpawnOptions & { deadlineMs?: number } = {}
): Promise<string> {
  const result = await tryRun(command, options)
  if (result.code === 0) return result.output
  const end = result.signal === null ? `exit code ${result.code}` : result.signal
  throw new Error(`${options.name ?? command.join(' ')} failed (${end}):\n${result.output.trim()}`)
}

/** Whether an error says that the process signalled is gone. */
export function isNoSuchProcess(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ESRCH'
}
