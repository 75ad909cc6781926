import type { Certificate, ExchangeFrame, Lane, Link, LinkInit, OutgoingChunk } from '@shoal/swarm/parts'
import type { SimEvent } from '../engine/event-queue.ts'
import { Flow, type Piece, type Transfer } from '../network/flow.ts'
import type { Host, Network } from '../network/network.ts'
import { RIGHT, WRONG } from './chunk-memory.ts'
import { frameBytes } from './frame-size.ts'
import type { NodeCounts } from './node-counts.ts'

/** A hello: version, certificate and name. */
const HELLO_BYTES = 256

/** One end of a connection between two nodes. */
export interface LinkEnd {
  readonly network: Network
  readonly host: Host
  readonly counts: NodeCounts
  readonly certificate: Certificate
  /** Whether all that this end sends is wrong. */
  readonly lies: boolean
}

/** What the product takes for the bytes of a connection. Nothing is ever written to it: links pass their frames on. */
export class SimLane implements Lane {
  readonly kind = 'direct'
  readonly queuedBytes = 0
  readonly end: LinkEnd
  other: SimLane | undefined
  link: SimLink | undefined

  constructor(end: LinkEnd) {
    this.end = end
  }

  static pair(a: LinkEnd, b: LinkEnd): [SimLane, SimLane] {
    const left = new SimLane(a)
    const right = new SimLane(b)
    left.other = right
    right.other = left
    return [left, right]
  }

  attach(): void {
    throw new Error('a simulated lane carries no bytes')
  }

  send(): boolean {
    throw new Error('a simulated lane carries no bytes')
  }

  drained(): Promise<void> {
    return Promise.resolve()
  }

  close(error?: Error): void {
    this.link?.close(error)
  }
}

/** A link that hands its frames to the other end as they are, as late as the network would. */
export class SimLink implements Link {
  readonly peerId: string
  readonly outlet = { kind: 'direct' } as const
  readonly queuedBytes = 0
  readonly #init: LinkInit
  readonly #lane: SimLane
  #flow: Flow | undefined
  #heardAt: number
  #closed = false

  constructor(init: LinkInit, lane: SimLane) {
    this.peerId = init.peerId
    this.#init = init
    this.#lane = lane
    this.#heardAt = init.now()
    lane.link = this
  }

  get closed(): boolean {
    return this.#closed
  }

  get heardAt(): number {
    return this.#heardAt
  }

  start(): void {
    this.#message(HELLO_BYTES, 'hello', (other) => other.#onHello(this.#lane.end.certificate))
  }

  send(frame: ExchangeFrame): void {
    if (this.#closed) return
    const other = this.#lane.other
    if (other === undefined) return
    const { network, host, counts } = this.#lane.end
    const bytes = frameBytes(frame)
    counts.sent(frame.type, bytes)
    network.message(host, other.end.host, bytes, new FrameArrival(other, frame))
  }

  useDirect(): void {
    throw new Error('simulated links need no direct lane')
  }

  receiveDirect(): never {
    throw new Error('simulated links need no direct lane')
  }

  endDirect(): void {
    throw new Error('simulated links need no direct lane')
  }

  sendChunk(chunk: OutgoingChunk, { signal }: { signal: AbortSignal }): Promise<number> {
    const flow = this.#openFlow()
    if (this.#closed || flow === undefined) return Promise.resolve(0)
    const { channel, index, length } = chunk
    const { promise, resolve } = Promise.withResolvers<number>()
    const transfer: Transfer = { channel, index, length, offset: 0, handedOver: resolve }
    signal.addEventListener('abort', () => flow.cancel(transfer), { once: true })
    flow.send(transfer)
    return promise
  }

  close(error?: Error): void {
    if (this.#closed) return
    this.#message(0, undefined, (other) => other.#end())
    this.#end(error)
  }

  /** A frame has come. */
  receive(frame: ExchangeFrame): void {
    if (this.#closed) return
    this.#heardAt = this.#init.now()
    this.#guard(() => this.#init.handler.onFrame(frame))
  }

  #openFlow(): Flow | undefined {
    const { other, end } = this.#lane
    if (other === undefined) return undefined
    this.#flow ??= new Flow(end.network, end.host, other.end.host, (piece) => other.link?.receivePiece(piece, end.lies))
    return this.#flow
  }

  /** A piece of a chunk has come. */
  receivePiece({ channel, index, offset, length }: Piece, isWrong: boolean): void {
    if (this.#closed) return
    const { counts } = this.#lane.end
    this.#heardAt = this.#init.now()
    counts.payloadBytes += length
    this.#guard(() => {
      const sink = this.#init.handler.onPiece({ channel, index, offset }, length)
      if (sink === undefined) return
      if (offset === 0) sink.target[0] = isWrong ? WRONG : RIGHT
      sink.filled()
    })
  }

  #guard(task: () => void): void {
    try {
      task()
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #message(bytes: number, type: string | undefined, deliver: (other: SimLink) => void): void {
    const { other, end } = this.#lane
    if (other === undefined) return
    if (type !== undefined) end.counts.sent(type, bytes)
    const fire = () => {
      if (other.link !== undefined && !other.link.closed) deliver(other.link)
    }
    end.network.message(end.host, other.end.host, bytes, { settles: true, fire })
  }

  #onHello(certificate: Certificate): void {
    this.#heardAt = this.#init.now()
    this.#init.handler.onReady(certificate)
  }

  #end(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#flow?.close()
    this.#init.handler.onClose(error)
  }
}

class FrameArrival implements SimEvent {
  readonly settles: boolean
  readonly #to: SimLane
  readonly #frame: ExchangeFrame

  constructor(to: SimLane, frame: ExchangeFrame) {
    this.#to = to
    this.#frame = frame
    // The many haves set off no more than a plan, which takes one step.
    this.settles = frame.type !== 'have'
  }

  fire(): void {
    this.#to.link?.receive(this.#frame)
  }
}
