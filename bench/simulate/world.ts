import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { CHUNK_DIGEST_BYTES, type ChunkMap, chunkCount, chunkSizeFor } from '@shoal/content'
import { type Digest, digestOf } from '@shoal/oci'
import { type Random, seededRandom } from './engine/random.ts'
import { Simulation } from './engine/simulation.ts'
import { type Host, Network } from './network/network.ts'
import { ChunkMemory } from './node/chunk-memory.ts'
import { RegistryCalls } from './node/registry-calls.ts'
import { SimAgent } from './node/sim-agent.ts'
import { connect, peerIdOf } from './node/sim-node.ts'
import { SimRegistry } from './node/sim-registry.ts'
import type { WorldShape } from './world-shape.ts'

/** A dial takes so many round trips: TCP, Noise, Yamux, opening the exchange. */
const DIAL_ROUND_TRIPS = 4
/** An agent that the registry did not take tries again after this time. */
const REGISTRY_RETRY_MS = 1_000

/** What an agent is like. */
export interface AgentRates {
  readonly upMbit: number
  readonly downMbit: number
  readonly zone?: number
  readonly lies?: boolean
}

/** A registry and agents in virtual time. */
export class World {
  readonly simulation = new Simulation()
  readonly network: Network
  readonly registry: SimRegistry
  readonly random: Random
  readonly agents: SimAgent[] = []
  readonly #shape: WorldShape
  readonly #keys: { readonly publicKey: KeyObject; readonly privateKey: KeyObject }
  readonly #calls: RegistryCalls
  readonly #buffers = new ChunkMemory()
  readonly #byId = new Map<string, SimAgent>()
  /** Called for every chunk that an agent stores. */
  onChunk: (agent: SimAgent, digest: Digest, index: number) => void = () => undefined

  constructor(shape: WorldShape) {
    this.#shape = shape
    this.random = seededRandom(shape.seed)
    this.#keys = generateKeyPairSync('ed25519')
    this.network = new Network({ ...shape, simulation: this.simulation })
    const host = this.network.addHost({ upMbit: shape.registryMbit, downMbit: shape.registryMbit, zone: 0 })
    this.registry = new SimRegistry({ ...this.#surroundings(), peerId: peerIdOf(0), zone: zoneName(0), host })
    this.#calls = new RegistryCalls(this.registry)
    this.registry.exchange.start()
  }

  /** Puts a blob of so many bytes into the registry. */
  push(name: string, size: number): Digest {
    const digest = digestOf(Buffer.from(`${name} of ${this.#shape.seed}`))
    const cut = { digest, size, chunkSize: chunkSizeFor(size) }
    const chunkDigests = new Uint8Array(chunkCount(cut) * CHUNK_DIGEST_BYTES)
    if (chunkCount(cut) === 1) chunkDigests.set(Buffer.from(digest.slice('sha256:'.length), 'hex'))
    const map: ChunkMap = { ...cut, chunkDigests }
    this.registry.push(map, this.#keys.privateKey)
    return digest
  }

  /** A new agent, not yet started. */
  addAgent(rates: AgentRates): SimAgent {
    const { zone = 0, lies = false } = rates
    const number = this.agents.length + 1
    const host: Host = this.network.addHost({ ...rates, zone })
    const agent = new SimAgent(number, {
      ...this.#surroundings(),
      peerId: peerIdOf(number),
      zone: zoneName(zone),
      host,
      lies,
      registry: this.registry,
      calls: this.#calls,
      dial: (from, peerId) => this.#dial(from, peerId),
      onChunk: (from, digest, index) => this.onChunk(from, digest, index)
    })
    this.agents.push(agent)
    this.#byId.set(agent.peerId, agent)
    return agent
  }

  /** Starts an agent: it is linked with the registry and hears of other members. */
  start(agent: SimAgent): void {
    agent.start()
    this.#linkRegistry(agent)
    agent.learn(this.registry.admit(agent.peerId))
  }

  #surroundings() {
    return {
      ...this.#shape,
      simulation: this.simulation,
      network: this.network,
      buffers: this.#buffers,
      authorityKey: this.#keys.publicKey,
      random: seededRandom(Math.floor(this.random() * 2 ** 32))
    }
  }

  #linkRegistry(agent: SimAgent): void {
    if (!agent.alive || !this.registry.alive || connect(agent, this.registry)) return
    this.simulation.after(REGISTRY_RETRY_MS, () => this.#linkRegistry(agent))
  }

  async #dial(from: SimAgent, peerId: string): Promise<void> {
    const to = this.#byId.get(peerId)
    if (to === undefined || !to.alive) throw new Error(`${peerId} cannot be reached`)
    await this.simulation.pause(DIAL_ROUND_TRIPS * 2 * this.network.latencyMs(from.end.host, to.end.host))
    if (!connect(from, to)) throw new Error(`${peerId} does not want this link`)
  }
}

/** How a zone is called. */
export function zoneName(zone: number): string {
  return `zone-${zone}`
}
