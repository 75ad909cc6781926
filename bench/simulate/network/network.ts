import { MAX_PIECE_BYTES } from '@shoal/swarm/parts'
import type { SimEvent } from '../engine/event-queue.ts'
import type { Simulation } from '../engine/simulation.ts'
import { LinkQueue } from './link-queue.ts'
import { Uplink } from './uplink.ts'

/** A node's place in the network. */
export interface Host {
  readonly uplink: Uplink
  readonly downlink: LinkQueue
  readonly zone: number
}

/** What a network is like. */
export interface NetworkInit {
  readonly simulation: Simulation
  /** One way between two nodes of a zone, ms. */
  readonly latencyMs: number
  /** One way between two zones, ms. */
  readonly zoneLatencyMs: number
  /** How long a message waits at most in the queue of a line that is busy with chunks, ms. */
  readonly queueMs: number
  /** From each zone to each other, Mbit/s; undefined where nothing but the nodes' own links is narrow. */
  readonly zoneMbit: number | undefined
  readonly zones: number
  /** Bytes on the wire for a byte of payload: headers of TCP, IP and Ethernet. */
  readonly wireFactor: number
  /** Payload that a connection takes before its user has to wait. */
  readonly windowBytes: number
  /** Pieces into which a chunk is cut at most; fewer are quicker to simulate. */
  readonly piecesPerChunk: number
}

/** Hosts, the lines that they hang on, and the lines between zones. */
export class Network {
  readonly simulation: Simulation
  readonly windowBytes: number
  readonly #init: NetworkInit
  readonly #zoneLinks: LinkQueue[][]

  constructor(init: NetworkInit) {
    this.#init = init
    this.simulation = init.simulation
    this.windowBytes = init.windowBytes
    const { zones, zoneMbit } = init
    const link = (from: number, to: number) =>
      new LinkQueue(
        init.simulation,
        from === to || zoneMbit === undefined ? Number.POSITIVE_INFINITY : zoneMbit / init.wireFactor
      )
    this.#zoneLinks = Array.from({ length: zones }, (_, from) =>
      Array.from({ length: zones }, (_, to) => link(from, to))
    )
  }

  addHost(rates: { readonly upMbit: number; readonly downMbit: number; readonly zone: number }): Host {
    const { wireFactor, queueMs } = this.#init
    return {
      uplink: new Uplink(this.simulation, rates.upMbit / wireFactor, queueMs),
      downlink: new LinkQueue(this.simulation, rates.downMbit / wireFactor),
      zone: rates.zone
    }
  }

  pieceBytes(chunkBytes: number): number {
    return Math.max(MAX_PIECE_BYTES, Math.ceil(chunkBytes / this.#init.piecesPerChunk))
  }

  /** A piece of a chunk leaves a host now for another; `arrival` happens when it is wholly there. */
  deliver(from: Host, to: Host, bytes: number, arrival: SimEvent): void {
    this.#carry(from, to, bytes, this.simulation.now(), arrival, (at) => to.downlink.pass(bytes, at))
  }

  /** Sends a short message. */
  message(from: Host, to: Host, bytes: number, arrival: SimEvent): void {
    const { queueMs } = this.#init
    const left = from.uplink.pass(bytes)
    this.#carry(from, to, bytes, left, arrival, (at) => to.downlink.passMessage(bytes, at, queueMs))
  }

  #carry(from: Host, to: Host, bytes: number, leftAt: number, arrival: SimEvent, passIn: (at: number) => number): void {
    const { simulation } = this
    const { latencyMs, zoneLatencyMs } = this.#init
    if (from.zone === to.zone) {
      simulation.at(passIn(leftAt + latencyMs), arrival)
      return
    }
    const across = this.#zoneLinks[from.zone]?.[to.zone]?.pass(bytes, leftAt) ?? leftAt
    // It takes its place before the node only when it is there, or what is near would wait for what is far.
    const fire = () => simulation.at(passIn(simulation.now()), arrival)
    simulation.at(across + zoneLatencyMs, { fire })
  }

  /** How long a message and its answer take now, ms. */
  roundTripMs(from: Host, to: Host): number {
    const { queueMs } = this.#init
    const queues = (from.uplink.isSending ? queueMs : 0) + Math.min(queueMs, to.downlink.backlogMs)
    return 2 * this.latencyMs(from, to) + queues
  }

  latencyMs(from: Host, to: Host): number {
    return from.zone === to.zone ? this.#init.latencyMs : this.#init.zoneLatencyMs
  }

  /** Bytes from zone to zone so far. */
  zoneBytes(from: number, to: number): number {
    return this.#zoneLinks[from]?.[to]?.bytes ?? 0
  }
}
