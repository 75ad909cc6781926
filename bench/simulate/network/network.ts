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
    return {
      uplink: new Uplink(this.simulation, rates.upMbit / this.#init.wireFactor),
      downlink: new LinkQueue(this.simulation, rates.downMbit / this.#init.wireFactor),
      zone: rates.zone
    }
  }

  pieceBytes(chunkBytes: number): number {
    return Math.max(MAX_PIECE_BYTES, Math.ceil(chunkBytes / this.#init.piecesPerChunk))
  }

  /** What leaves a host at a time comes to another; `arrival` happens when it is wholly there. */
  deliver(from: Host, to: Host, bytes: number, arrival: SimEvent, at = this.simulation.now()): void {
    const { simulation } = this
    if (from.zone === to.zone) {
      simulation.at(to.downlink.pass(bytes, at + this.#init.latencyMs), arrival)
      return
    }
    const left = this.#zoneLinks[from.zone]?.[to.zone]?.pass(bytes, at) ?? at
    // It takes its place before the node only when it is there, or what is near would wait for what is far.
    const fire = () => simulation.at(to.downlink.pass(bytes), arrival)
    simulation.at(left + this.#init.zoneLatencyMs, { fire })
  }

  /** Sends a short message: between two pieces of chunks, never behind all of them. */
  message(from: Host, to: Host, bytes: number, arrival: SimEvent): void {
    this.deliver(from, to, bytes, arrival, from.uplink.pass(bytes))
  }

  latencyMs(from: Host, to: Host): number {
    return from.zone === to.zone ? this.#init.latencyMs : this.#init.zoneLatencyMs
  }

  /** Bytes from zone to zone so far. */
  zoneBytes(from: number, to: number): number {
    return this.#zoneLinks[from]?.[to]?.bytes ?? 0
  }
}
