import path from 'node:path'
import { Containerd } from './containerd.ts'
import { DockerRegistry } from './docker-registry.ts'
import { type BuiltImage, pushImage } from './image.ts'
import { type LinkShape, Network, type NetworkNode } from './namespaces.ts'
import { RunWorkspace } from './run-workspace.ts'
import { configureContainerd, ShoalAgent, ShoalRegistry } from './shoal.ts'

/** The registry's link in the end-to-end tests, both ways. */
export const REGISTRY_LINK: LinkShape = { egressMbit: 200, ingressMbit: 200 }

/** How a cluster is made. */
export interface ClusterOptions {
  /** Another registry, on a node of its own, that the registry caches under this name. @default none */
  readonly upstream?: string
}

/** A node of a cluster: its namespace, its agent and its containerd. */
export interface ClusterNode {
  readonly network: NetworkNode
  readonly agent: ShoalAgent
  readonly containerd: Containerd
}

/**
 * A registry behind a shaped link and nodes with an agent and a containerd each, all in network namespaces of their own.
 * Close it when done; if the test dies before, the workspace clears up.
 */
export class Cluster {
  readonly registry: ShoalRegistry
  readonly nodes: readonly ClusterNode[]
  readonly #workspace: RunWorkspace
  readonly #network: Network
  readonly #upstream: DockerRegistry | undefined

  /** Starts everything and waits until all of it is ready. */
  static async start(nodeNames: readonly string[], options: ClusterOptions = {}): Promise<Cluster> {
    const workspace = RunWorkspace.open()
    try {
      const network = await Network.create(workspace)
      const registryNode = await network.addNode('registry')
      await registryNode.shape(REGISTRY_LINK)
      const upstream =
        options.upstream === undefined
          ? undefined
          : await DockerRegistry.start(await network.addNode('upstream'), workspace.subdirectory('upstream'))
      const args = upstream === undefined ? [] : ['--upstream', `${options.upstream}=http://${upstream.host}`]
      const registry = new ShoalRegistry(registryNode, workspace.subdirectory('registry', 'data'), args)
      await registry.start()
      const nodes = await Promise.all(nodeNames.map((name) => startNode(workspace, network, registry, name)))
      return new Cluster(workspace, network, registry, nodes, upstream)
    } catch (error) {
      workspace.close()
      throw error
    }
  }

  private constructor(
    workspace: RunWorkspace,
    network: Network,
    registry: ShoalRegistry,
    nodes: readonly ClusterNode[],
    upstream: DockerRegistry | undefined
  ) {
    this.#upstream = upstream
    this.#workspace = workspace
    this.#network = network
    this.registry = registry
    this.nodes = nodes
  }

  /** The node of this name. @throws Error when there is none */
  node(name: string): ClusterNode {
    const node = this.nodes.find((candidate) => candidate.network.name === name)
    if (node === undefined) throw new Error(`the cluster has no node ${name}`)
    return node
  }

  /** Adds a namespace where nothing runs yet. */
  async addNetworkNode(name: string): Promise<NetworkNode> {
    return await this.#network.addNode(name)
  }

  /** A directory below the cluster's temporary one. */
  subdirectory(...names: string[]): string {
    return this.#workspace.subdirectory(...names)
  }

  /** Pushes an image from the registry's own node, so that the shaped link is idle; returns the repository's reference. */
  async push(image: BuiltImage, repository: string): Promise<string> {
    const reference = `${this.registry.host}/${repository}`
    const credentials = await this.registry.credentials()
    await pushImage(image, reference, { namespace: this.registry.node.namespace, credentials })
    return reference
  }

  /** Pushes an image to the other registry. @throws Error when there is none */
  async pushUpstream(image: BuiltImage, repository: string): Promise<void> {
    if (this.#upstream === undefined) throw new Error('the cluster was started without an upstream')
    await pushImage(image, `${this.#upstream.host}/${repository}`, { namespace: this.registry.node.namespace })
  }

  close(): void {
    this.#workspace.close()
  }
}

async function startNode(
  workspace: RunWorkspace,
  network: Network,
  registry: ShoalRegistry,
  name: string
): Promise<ClusterNode> {
  const node = await network.addNode(name)
  const hostsDirectory = workspace.subdirectory(name, 'hosts')
  const agent = new ShoalAgent(node, workspace.subdirectory(name, 'agent'), {
    registryUrl: registry.url,
    joinTokenFile: registry.joinTokenFile
  })
  await configureContainerd(node, hostsDirectory)
  const [containerd] = await Promise.all([
    Containerd.start(node, path.dirname(workspace.subdirectory(name, 'containerd', 'root')), hostsDirectory),
    agent.start()
  ])
  return { network: node, agent, containerd }
}
