import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { within } from '../../test/harness/deadline.ts'
import type { NetworkNode } from '../../test/harness/namespaces.ts'
import { commandLine } from '../../test/harness/process.ts'
import type { BenchImage } from '../bench-system.ts'
import type { PullAnswer, PullCommand, PullFigures } from './pull-protocol.ts'

const CLIENT = fileURLToPath(new URL('pull-client.ts', import.meta.url))
const ENVIRONMENT = { NODE_COMPILE_CACHE: fileURLToPath(new URL('../../.shoal/compile-cache', import.meta.url)) }
const START_DEADLINE_MS = 60_000
/** As containerd does by default (`max_concurrent_downloads`). */
const PARALLEL_BLOBS = 3

/** How a pull is done. */
export interface PullOptions {
  readonly deadlineMs: number
  readonly verify?: boolean
  readonly stall?: boolean
  /** Asks for the layers alone, as who knows the image already. */
  readonly layersOnly?: boolean
}

/** A client on a node that waits for orders: when the clock starts, no process has to. It ends with the namespace. */
export class Puller {
  readonly node: NetworkNode
  readonly pid: number
  readonly #child: ChildProcessByStdio<Writable, Readable, null>
  readonly #lines: AsyncIterableIterator<string>

  static async start(node: NetworkNode): Promise<Puller> {
    const [file = '', ...args] = commandLine([process.execPath, CLIENT], { namespace: node.namespace })
    const puller = new Puller(
      node,
      spawn(file, args, { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, ...ENVIRONMENT } })
    )
    await puller.#next(START_DEADLINE_MS)
    return puller
  }

  private constructor(node: NetworkNode, child: ChildProcessByStdio<Writable, Readable, null>) {
    if (child.pid === undefined) throw new Error(`no client could be started on ${node.name}`)
    this.node = node
    this.pid = child.pid
    this.#child = child
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  }

  /** Pulls an image. @throws Error when it does not come whole, or not in time */
  async pull(base: string, image: BenchImage, options: PullOptions): Promise<PullFigures> {
    const { layersOnly = false } = options
    const blobs = layersOnly ? image.layers : [image.config, ...image.layers]
    const command: PullCommand = {
      base,
      manifest: layersOnly ? undefined : image.manifest.digest,
      blobs: blobs.map(({ digest, size }) => ({ digest, size })),
      parallel: PARALLEL_BLOBS,
      verify: options.verify ?? false,
      stall: options.stall ?? false
    }
    this.#child.stdin.write(`${JSON.stringify(command)}\n`)
    const answer = JSON.parse(await this.#next(options.deadlineMs)) as PullAnswer
    if ('error' in answer) throw new Error(`${this.node.name}: ${answer.error}`)
    return answer
  }

  async #next(deadlineMs: number): Promise<string> {
    const line = await within(this.#lines.next(), { deadlineMs, what: `the client on ${this.node.name} answering` })
    if (line.done === true) throw new Error(`the client on ${this.node.name} ended`)
    return line.value
  }
}
