import { run } from './process.ts'
import type { RunWorkspace } from './run-workspace.ts'

/**
 * The bridge lives in a namespace of its own, so these addresses meet nothing of the host and need not be free there;
 * any number of networks stand side by side.
 */
const IPV4_PREFIX = '10.77.0'
const IPV6_PREFIX = 'fd77::'
const FIRST_HOST_NUMBER = 2
const LAST_HOST_NUMBER = 254
const BRIDGE = 'br0'
const INTERFACE = 'eth0'
const UPLINK = 'uplink'
/** Host numbers that the first of two joined networks may still give out. */
const JOINED_HOST_NUMBERS = 64
/** Depth of a shaped link: what a burst may send at once, and how long a full queue takes to drain. */
const SHAPE_BURST_BYTES = 256 * 1024
const SHAPE_QUEUE_MS = 50

/** The rates a link is held to, in Mbit/s; a direction without a rate is not shaped. */
export interface LinkShape {
  readonly egressMbit?: number
  readonly ingressMbit?: number
  /** How long a full queue takes to drain; what comes beyond it is lost. @default SHAPE_QUEUE_MS, 50 */
  readonly queueMs?: number
  /** What a link that has rested may send at once, faster than its rate. @default SHAPE_BURST_BYTES, 256 KiB */
  readonly burstBytes?: number
}

/** Bytes over a node's link since it was made, as the kernel counts them: headers, acknowledgements and all. */
export interface LinkBytes {
  readonly sent: number
  readonly received: number
}

/** A network namespace with one interface on the bridge. */
export interface NetworkNode {
  readonly name: string
  readonly namespace: string
  readonly ipv4: string
  readonly ipv6: string
  /** Holds the link to these rates, in place of any rates before. */
  shape(shape: LinkShape): Promise<void>
  linkBytes(): Promise<LinkBytes>
}

/** The link that joins a network to another one. */
export interface NetworkLink {
  /** Holds the link to these rates; `egress` is what leaves the network that was joined to the other. */
  shape(shape: LinkShape): Promise<void>
  /** Bytes that have gone over the link, out of the network that was joined and into it. */
  linkBytes(): Promise<LinkBytes>
}

/** A network that was joined to another one, and the link between them. */
export interface JoinedNetwork {
  readonly network: Network
  readonly link: NetworkLink
}

/** A bridge with a namespace for every node. Removed with the workspace that it was made in. */
export class Network {
  readonly #prefix: string
  readonly #hub: string
  #nextHostNumber = FIRST_HOST_NUMBER

  static async create(workspace: Pick<RunWorkspace, 'prefix'>, name = 'net'): Promise<Network> {
    const network = new Network(`${workspace.prefix}-${name}`)
    await network.#createHub()
    return network
  }

  /** A second network of the same addresses, joined to this one by a single link: another zone. */
  static async join(workspace: Pick<RunWorkspace, 'prefix'>, name: string, other: Network): Promise<JoinedNetwork> {
    const network = await Network.create(workspace, name)
    // The networks share one range of addresses, so each has a part of it for itself.
    network.#nextHostNumber = other.#nextHostNumber + JOINED_HOST_NUMBERS
    const inHub = ['ip', '-n', network.#hub]
    const theirs = `to-${name}`
    await run([...inHub, 'link', 'add', UPLINK, 'type', 'veth', 'peer', 'name', theirs, 'netns', other.#hub])
    await run([...inHub, 'link', 'set', UPLINK, 'master', BRIDGE, 'up'])
    await run(['ip', '-n', other.#hub, 'link', 'set', theirs, 'master', BRIDGE, 'up'])
    const link: NetworkLink = {
      shape: async ({ egressMbit, ingressMbit }) => {
        await shapeEgress(network.#hub, UPLINK, egressMbit)
        await shapeEgress(other.#hub, theirs, ingressMbit)
      },
      linkBytes: () => linkBytes(network.#hub, UPLINK)
    }
    return { network, link }
  }

  private constructor(prefix: string) {
    this.#prefix = prefix
    this.#hub = `${prefix}-hub`
  }

  /** Adds a namespace. @throws Error when the name is taken or the network is full */
  async addNode(name: string): Promise<NetworkNode> {
    const number = this.#nextHostNumber++
    if (number > LAST_HOST_NUMBER) throw new Error('the network is full')
    const namespace = `${this.#prefix}-${name}`
    const port = `port${number}`
    const ipv4 = `${IPV4_PREFIX}.${number}`
    const ipv6 = `${IPV6_PREFIX}${number.toString(16)}`
    await run(['ip', 'netns', 'add', namespace])
    const inHub = ['ip', '-n', this.#hub]
    await run([...inHub, 'link', 'add', port, 'type', 'veth', 'peer', 'name', INTERFACE, 'netns', namespace])
    await run([...inHub, 'link', 'set', port, 'master', BRIDGE, 'up'])
    const inNode = ['ip', '-n', namespace]
    await run([...inNode, 'link', 'set', 'lo', 'up'])
    await run([...inNode, 'address', 'add', `${ipv4}/24`, 'dev', INTERFACE])
    await run([...inNode, 'address', 'add', `${ipv6}/64`, 'dev', INTERFACE, 'nodad'])
    await run([...inNode, 'link', 'set', INTERFACE, 'up'])
    return {
      name,
      namespace,
      ipv4,
      ipv6,
      // A queue shapes what leaves an interface, so what the node receives is shaped where it leaves the bridge.
      shape: async (shape) => {
        await shapeEgress(namespace, INTERFACE, shape.egressMbit, shape)
        await shapeEgress(this.#hub, port, shape.ingressMbit, shape)
      },
      linkBytes: () => linkBytes(namespace, INTERFACE)
    }
  }

  async #createHub(): Promise<void> {
    await run(['ip', 'netns', 'add', this.#hub])
    await run(['ip', '-n', this.#hub, 'link', 'add', BRIDGE, 'type', 'bridge'])
    await run(['ip', '-n', this.#hub, 'link', 'set', BRIDGE, 'up'])
  }
}

async function shapeEgress(
  namespace: string,
  device: string,
  mbit: number | undefined,
  { queueMs = SHAPE_QUEUE_MS, burstBytes = SHAPE_BURST_BYTES }: LinkShape = {}
): Promise<void> {
  const qdisc = ['tc', '-n', namespace, 'qdisc']
  const current = await run([...qdisc, 'show', 'dev', device])
  if (mbit !== undefined) {
    const rate = ['rate', `${mbit}mbit`, 'burst', `${burstBytes}b`, 'latency', `${queueMs}ms`]
    await run([...qdisc, 'replace', 'dev', device, 'root', 'tbf', ...rate])
  } else if (current.includes('tbf')) {
    await run([...qdisc, 'delete', 'dev', device, 'root'])
  }
}

async function linkBytes(namespace: string, device: string): Promise<LinkBytes> {
  const text = await run(['ip', '-n', namespace, '-s', '-j', 'link', 'show', 'dev', device])
  const parsed: unknown = JSON.parse(text)
  const link: unknown = Array.isArray(parsed) ? parsed[0] : undefined
  return { sent: counter(link, 'tx'), received: counter(link, 'rx') }
}

function counter(link: unknown, direction: 'rx' | 'tx'): number {
  const bytes = property(property(property(link, 'stats64'), direction), 'bytes')
  if (typeof bytes !== 'number') throw new Error(`ip printed no ${direction} byte counter`)
  return bytes
}

function property(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null ? Reflect.get(value, name) : undefined
}
