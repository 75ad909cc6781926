import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { waitFor } from './deadline.ts'
import { ManagedProcess, run, tryRun } from './process.ts'

const START_DEADLINE_MS = 20_000
const PULL_DEADLINE_MS = 120_000
const RUN_DEADLINE_MS = 30_000
const NAMESPACE = 'default'
/** What a plain pull does not need, and what would write outside the node's directory. */
const DISABLED_PLUGINS = [
  'io.containerd.grpc.v1.cri',
  'io.containerd.snapshotter.v1.aufs',
  'io.containerd.snapshotter.v1.btrfs',
  'io.containerd.snapshotter.v1.devmapper',
  'io.containerd.snapshotter.v1.zfs',
  'io.containerd.tracing.processor.v1.otlp'
]

/** Where a containerd runs. */
interface Place {
  readonly name: string
  /** Network namespace; the host's when absent. */
  readonly namespace?: string
}

/** A containerd of a node's own: root, state and socket below its directory, in the node's network namespace. */
export class Containerd {
  readonly process: ManagedProcess
  /** Where its `hosts.toml` files lie. */
  readonly hostsDirectory: string
  readonly #socket: string
  readonly #directory: string
  readonly #node: Place
  #containers = 0

  /** Starts it and waits until it answers. */
  static async start(node: Place, directory: string, hostsDirectory: string): Promise<Containerd> {
    const socket = path.join(directory, 'containerd.sock')
    const file = path.join(directory, 'config.toml')
    await writeFile(file, configuration(directory, socket))
    const child = await ManagedProcess.spawn(['containerd', '--config', file], {
      namespace: node.namespace,
      privateMounts: true,
      name: `containerd on ${node.name}`
    })
    const containerd = new Containerd(child, node, directory, socket, hostsDirectory)
    await containerd.#waitUntilUp()
    return containerd
  }

  private constructor(child: ManagedProcess, node: Place, directory: string, socket: string, hostsDirectory: string) {
    this.process = child
    this.hostsDirectory = hostsDirectory
    this.#node = node
    this.#directory = directory
    this.#socket = socket
  }

  /**
   * Pulls and unpacks an image with `ctr images pull --hosts-dir`. Without `plainHttp` containerd speaks HTTPS to the
   * registry that the reference names, so that against a registry of plain HTTP only the mirrors can serve it.
   *
   * @throws Error with what ctr printed
   */
  async pull(reference: string, options: { plainHttp?: boolean } = {}): Promise<void> {
    const plain = options.plainHttp === true ? ['--plain-http'] : []
    await run(this.#ctr('images', 'pull', '--hosts-dir', this.hostsDirectory, ...plain, reference), {
      namespace: this.#node.namespace,
      name: `ctr images pull ${reference} on ${this.#node.name}`,
      deadlineMs: PULL_DEADLINE_MS
    })
  }

  /** Starts a pull and hands out its process, for tests that do something meanwhile. */
  async startPull(reference: string): Promise<ManagedProcess> {
    return await ManagedProcess.spawn(this.#ctr('images', 'pull', '--hosts-dir', this.hostsDirectory, reference), {
      namespace: this.#node.namespace,
      name: `ctr images pull ${reference} on ${this.#node.name}`
    })
  }

  /** Runs a command in a container of the image and returns what it printed. @throws Error when it fails */
  async runContainer(reference: string, command: readonly string[]): Promise<string> {
    // Unlike any other node's: the id also names the container's control group, and those are the host's.
    const id = `${this.#node.namespace ?? this.#node.name}-${++this.#containers}`
    const fifos = ['--fifo-dir', path.join(this.#directory, 'fifo')]
    // The node's network namespace is the container's too, so that nothing of it outlives the node.
    return await run(this.#ctr('run', '--rm', '--net-host', ...fifos, reference, id, ...command), {
      namespace: this.#node.namespace,
      name: `ctr run ${reference} on ${this.#node.name}`,
      deadlineMs: RUN_DEADLINE_MS
    })
  }

  /** The digest that the image of this reference has here; undefined when there is no such image. */
  async imageDigest(reference: string): Promise<string | undefined> {
    const list = await run(this.#ctr('images', 'list', `name==${reference}`))
    return list.match(/sha256:[0-9a-f]{64}/)?.[0]
  }

  /** Any other command of `ctr`; returns what it printed. @throws Error when it fails */
  async ctr(...args: string[]): Promise<string> {
    return await run(this.#ctr(...args), { namespace: this.#node.namespace, deadlineMs: PULL_DEADLINE_MS })
  }

  async stop(): Promise<void> {
    await this.process.stop()
  }

  #ctr(...args: string[]): string[] {
    return ['ctr', '--address', this.#socket, '--namespace', NAMESPACE, ...args]
  }

  async #waitUntilUp(): Promise<void> {
    await waitFor(
      async () => {
        if (!this.process.running) throw new Error(`${this.process.name} ended:\n${this.process.tail}`)
        return (await tryRun(this.#ctr('version'))).code === 0 ? true : undefined
      },
      { deadlineMs: START_DEADLINE_MS, what: `${this.process.name} answering` }
    )
  }
}

function configuration(directory: string, socket: string): string {
  // A JSON string is also a TOML string, and a JSON array of them a TOML array.
  const text = (value: string | string[]) => JSON.stringify(value)
  return `version = 2
root = ${text(path.join(directory, 'root'))}
state = ${text(path.join(directory, 'state'))}
disabled_plugins = ${text(DISABLED_PLUGINS)}
[grpc]
  address = ${text(socket)}
[plugins."io.containerd.internal.v1.opt"]
  path = ${text(path.join(directory, 'opt'))}
`
}
