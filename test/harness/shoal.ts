import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { waitFor } from './deadline.ts'
import { httpGet } from './http.ts'
import { type Metrics, parseMetrics } from './metrics.ts'
import type { NetworkNode } from './namespaces.ts'
import { type ExitStatus, ManagedProcess, run } from './process.ts'
import { parseStatus, type ShoalStatus } from './shoal-status.ts'

const EXECUTABLE = fileURLToPath(new URL('../../packages/cli/bin/shoal.js', import.meta.url))
const READY_DEADLINE_MS = 30_000
const REGISTRY_PORT = 5000
const REGISTRY_ADMIN_PORT = 9500
const AGENT_ADMIN_PORT = 9501
/** Where an agent's mirror listens unless told otherwise. */
export const MIRROR_URL = 'http://127.0.0.1:5050'

/** The command line of `shoal` with these arguments, run by the Node that runs the test. */
export function shoalCommand(...args: readonly string[]): string[] {
  return [process.execPath, EXECUTABLE, ...args]
}

/** A `shoal` server on a node; it can be stopped, killed and started again over the same data folder. */
class ShoalServer {
  readonly node: NetworkNode
  /** Its data folder. */
  readonly directory: string
  readonly #args: readonly string[]
  readonly #adminUrl: string
  #process: ManagedProcess | undefined

  protected constructor(node: NetworkNode, directory: string, args: readonly string[], adminPort: number) {
    this.node = node
    this.directory = directory
    this.#args = args
    this.#adminUrl = `http://127.0.0.1:${adminPort}`
  }

  /** Starts the process, and waits until `/readyz` says yes. */
  async start(): Promise<void> {
    await this.launch()
    await this.untilReady()
  }

  /** Starts the process and returns it at once. */
  async launch(): Promise<ManagedProcess> {
    if (this.#process?.running === true) throw new Error(`${this.#process.name} runs already`)
    this.#process = await ManagedProcess.spawn(shoalCommand(...this.#args, '--log-format', 'json'), {
      namespace: this.node.namespace,
      name: `shoal ${this.#args[0]} on ${this.node.name}`
    })
    return this.#process
  }

  async untilReady(): Promise<void> {
    const server = this.process
    let last = 'no answer'
    try {
      await waitFor(
        async () => {
          if (!server.running) throw new Error('it ended')
          const answer = await httpGet(this.node.namespace, `${this.#adminUrl}/readyz`)
          last = answer === undefined ? last : `${answer.status} ${answer.body}`
          return answer?.status === 200 ? true : undefined
        },
        { deadlineMs: READY_DEADLINE_MS, what: 'becoming ready' }
      )
    } catch (cause) {
      const message = `${server.name} is not ready (/readyz: ${last}); its output ends:\n${server.tail}`
      throw new Error(message, { cause })
    }
  }

  /** The process started last. @throws Error when there was none */
  get process(): ManagedProcess {
    if (this.#process === undefined) throw new Error(`nothing was started on ${this.node.name}`)
    return this.#process
  }

  /** SIGTERM; the server drains and should exit with 0. */
  async stop(): Promise<ExitStatus> {
    return await this.process.stop()
  }

  /** SIGKILL. */
  async kill(): Promise<ExitStatus> {
    return await this.process.kill()
  }

  async metrics(): Promise<Metrics> {
    return parseMetrics(await this.#adminPage('/metrics'))
  }

  async status(): Promise<ShoalStatus> {
    return parseStatus(await this.#adminPage('/api/v1/status'))
  }

  async #adminPage(page: string): Promise<string> {
    const answer = await httpGet(this.node.namespace, `${this.#adminUrl}${page}`)
    if (answer?.status === 200) return answer.body
    const said = answer === undefined ? 'does not answer' : `answers ${answer.status} ${answer.body}`
    throw new Error(`${this.process.name}: ${page} ${said}; its output ends:\n${this.process.tail}`)
  }
}

/** `shoal registry` on a node. */
export class ShoalRegistry extends ShoalServer {
  /** `HOST:PORT` as a reference names it. */
  readonly host: string
  readonly url: string

  constructor(node: NetworkNode, directory: string, args: readonly string[] = []) {
    super(node, directory, ['registry', '--data', directory, ...args], REGISTRY_ADMIN_PORT)
    this.host = `${node.ipv4}:${REGISTRY_PORT}`
    this.url = `http://${this.host}`
  }

  get joinTokenFile(): string {
    return path.join(this.directory, 'join-token')
  }

  /** `user:password` of the account that may push. */
  async credentials(): Promise<string> {
    return `admin:${(await readFile(path.join(this.directory, 'admin-password'), 'utf8')).trim()}`
  }
}

/** How an agent is started. */
export interface AgentOptions {
  readonly registryUrl: string
  readonly joinTokenFile: string
  readonly args?: readonly string[]
}

/** `shoal agent` on a node. */
export class ShoalAgent extends ShoalServer {
  constructor(node: NetworkNode, directory: string, options: AgentOptions) {
    const base = ['agent', '--data', directory, '--registry', options.registryUrl]
    const args = [...base, '--join-token-file', options.joinTokenFile, ...(options.args ?? [])]
    super(node, directory, args, AGENT_ADMIN_PORT)
  }
}

/** Points containerd at the node's agent, as an operator would. */
export async function configureContainerd(node: NetworkNode, hostsDirectory: string): Promise<void> {
  const configure = ['node', 'configure', '--runtime', 'containerd', '--config-dir', hostsDirectory]
  await run(shoalCommand(...configure, '--agent', MIRROR_URL), {
    namespace: node.namespace,
    name: `shoal node configure on ${node.name}`
  })
}
