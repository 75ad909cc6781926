import type { Digest } from '@shoal/oci'
import { silentLogger } from '@shoal/swarm'
import { Neighbourhood, type PeerAddress, RendezvousClient } from '@shoal/swarm/parts'
import type { RegistryCalls } from './registry-calls.ts'
import { addressesOf, SimNode, type SimNodeInit } from './sim-node.ts'
import type { SimRegistry } from './sim-registry.ts'

/** Layers that a container runtime pulls at the same time. */
const PULLS_AT_ONCE = 3
/** A pull that failed is begun anew after this time, as runtimes do. */
const RETRY_MS = 1_000
const MAX_RETRIES = 20

/** How a node's pull went. */
export interface Pull {
  readonly startedAt: number
  /** When the first chunk of the first layer was there, ms. */
  firstByteAt: number | undefined
  /** When all layers were whole, ms. */
  doneAt: number | undefined
  failures: number
}

/** What an agent needs of the world beside what every node does. */
export interface SimAgentInit extends Omit<SimNodeInit, 'role'> {
  readonly registry: SimRegistry
  readonly calls: RegistryCalls
  /** Dials another agent; resolves when it is reached, rejects when it cannot be. */
  readonly dial: (from: SimAgent, peerId: string) => Promise<void>
  /** A chunk was stored. */
  readonly onChunk: (agent: SimAgent, digest: Digest, index: number) => void
}

/** An agent: an exchange, its neighbourhood and its rendezvous client, put together as the product does. */
export class SimAgent extends SimNode {
  readonly number: number
  pull: Pull | undefined
  readonly #init: SimAgentInit
  readonly #neighbourhood: Neighbourhood
  readonly #rendezvous: RendezvousClient

  constructor(number: number, init: SimAgentInit) {
    super(
      { ...init, role: 'agent' },
      {
        fallback: init.calls.fallback(() => this),
        discover: (digest) => this.#discover(digest),
        learned: (peers) => void this.#neighbourhood.want(peers),
        onLink: (peerId, { zone }) => this.#neighbourhood.onLink(peerId, addressesOf(peerId), zone),
        onUnlink: (peerId) => this.#neighbourhood.onUnlink(peerId),
        stored: (digest, index) => this.#onStored(digest, index)
      }
    )
    this.number = number
    this.#init = init
    const { simulation, random, registry, calls } = init
    this.#neighbourhood = new Neighbourhood({
      except: [this.peerId, registry.peerId],
      zone: () => init.zone,
      clock: simulation,
      random,
      logger: silentLogger,
      peers: () => this.exchange.peers,
      isTaken: (peerId) => peerId === this.peerId || this.exchange.hasLink(peerId) || this.bans.has(peerId),
      isMember: () => true,
      dial: ({ peerId }) => init.dial(this, peerId),
      drop: (peerId) => this.exchange.unlink(peerId)
    })
    this.#rendezvous = new RendezvousClient({
      clock: simulation,
      logger: silentLogger,
      ask: (message) => calls.rendezvous(this, message)
    })
  }

  start(): void {
    this.exchange.start()
    this.#neighbourhood.start()
  }

  /** Members that it has heard of. */
  learn(members: readonly PeerAddress[]): void {
    this.#neighbourhood.learn(members)
  }

  /** The process is killed: its connections end. */
  kill(): void {
    this.alive = false
    this.#neighbourhood.stop()
    void this.exchange.stop()
  }

  /** Pulls an image as a runtime does through the mirror, layers in their order. */
  async pullImage(layers: readonly Digest[]): Promise<void> {
    const { simulation } = this.#init
    const pull: Pull = { startedAt: simulation.now(), firstByteAt: undefined, doneAt: undefined, failures: 0 }
    this.pull = pull
    for (const layer of layers) {
      void this.#rendezvous.find(layer).then((peers) => this.#neighbourhood.want(peers))
      this.exchange.prefetch(layer)
    }
    const waiting = [...layers]
    const pullNext = async () => {
      for (let layer = waiting.shift(); layer !== undefined; layer = waiting.shift()) await this.#pullLayer(layer, pull)
    }
    await Promise.all(Array.from({ length: PULLS_AT_ONCE }, pullNext))
    if (layers.every((layer) => this.store.blob(layer)?.complete === true)) pull.doneAt = simulation.now()
  }

  async #pullLayer(layer: Digest, pull: Pull): Promise<void> {
    for (let retry = 0; retry < MAX_RETRIES && this.alive; retry++) {
      if (this.store.blob(layer)?.complete === true) return
      try {
        await this.exchange.fetch(layer)
        const blob = this.store.blob(layer)
        if (blob !== undefined) blob.isRead = true
        await this.exchange.completion(layer)
        return
      } catch {
        pull.failures++
        await this.#init.simulation.pause(RETRY_MS)
      }
    }
  }

  async #discover(digest: Digest): Promise<void> {
    const peers = await this.#rendezvous.find(digest)
    const transfer = this.exchange.transfers.find((each) => each.digest === digest)
    await this.#neighbourhood.want(peers, { scarce: transfer !== undefined && transfer.peers === 0 })
  }

  #onStored(digest: Digest, index: number): void {
    const { pull } = this
    if (pull !== undefined && index === 0) pull.firstByteAt ??= this.#init.simulation.now()
    this.#init.onChunk(this, digest, index)
  }
}
