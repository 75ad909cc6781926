import type { SimEvent } from '../engine/event-queue.ts'
import type { Host, Network } from './network.ts'

/** However large the pieces of a simulation are, so many are in a connection at once. */
const WINDOW_PIECES = 2

/** What TCP sends at first, and again after a pause: ten segments (RFC 6928, RFC 2861). */
const FIRST_WINDOW_BYTES = 10 * 1448
/** A pause after which it begins anew: the least time after which Linux takes a segment for lost, ms. */
const PAUSE_MS = 200

/** A piece of a chunk on its way. */
export interface Piece {
  readonly channel: number
  readonly index: number
  readonly offset: number
  readonly length: number
}

/** Something to be sent over a flow. */
export interface Transfer {
  readonly channel: number
  readonly index: number
  readonly length: number
  /** Where it is sent from. A resumed range does not begin at 0. */
  offset: number
  /** The last piece has been handed to the connection, or it was given up: so many bytes have. */
  readonly handedOver: (bytes: number) => void
}

/**
 * What one connection carries in one direction. As a socket does, it takes so many bytes before it makes its user wait,
 * and they stay in it until they have come to the other end: so a slow receiver holds up nobody but itself.
 */
export class Flow {
  readonly #network: Network
  readonly #from: Host
  readonly #to: Host
  readonly #arrived: (piece: Piece) => void
  readonly #transfers: Transfer[] = []
  readonly #queue: Piece[] = []
  /** Bytes that were taken and have not come to the other end. */
  #buffered = 0
  #closed = false
  /** When something last left or arrived, ms. */
  #activeAt = Number.NEGATIVE_INFINITY
  /** Whether the uplink has it among those that wait for their turn. */
  waiting = false

  constructor(network: Network, from: Host, to: Host, arrived: (piece: Piece) => void) {
    this.#network = network
    this.#from = from
    this.#to = to
    this.#arrived = arrived
  }

  /** Pieces that are to leave. */
  get queued(): number {
    return this.#queue.length
  }

  send(transfer: Transfer): void {
    this.#transfers.push(transfer)
    this.#fill()
  }

  /** Gives a transfer up. What the connection has taken of it still comes. */
  cancel(transfer: Transfer): void {
    const place = this.#transfers.indexOf(transfer)
    if (place < 0) return
    this.#transfers.splice(place, 1)
    transfer.handedOver(transfer.offset)
  }

  /** Nothing comes any more. */
  close(): void {
    this.#closed = true
    this.#queue.length = 0
    for (const transfer of this.#transfers.splice(0)) transfer.handedOver(transfer.offset)
  }

  /** The next piece to leave. */
  take(): Piece | undefined {
    return this.#queue.shift()
  }

  /** A piece has left. */
  sent(piece: Piece): void {
    if (this.#closed) return
    this.#network.deliver(this.#from, this.#to, piece.length, new Arrival(this, piece))
  }

  /** A piece is there. */
  onArrival(piece: Piece): void {
    if (this.#closed) return
    this.#activeAt = this.#network.simulation.now()
    this.#buffered -= piece.length
    this.#arrived(piece)
    this.#fill()
  }

  #fill(): void {
    while (!this.#closed) {
      const [transfer] = this.#transfers
      if (transfer === undefined) return
      const pieceBytes = this.#network.pieceBytes(transfer.length)
      if (this.#buffered >= Math.max(this.#network.windowBytes, WINDOW_PIECES * pieceBytes)) return
      // Chunks of several blobs take turns.
      this.#transfers.shift()
      const { channel, index, offset } = transfer
      const piece = { channel, index, offset, length: Math.min(pieceBytes, transfer.length - offset) }
      transfer.offset += piece.length
      this.#buffered += piece.length
      this.#queue.push(piece)
      this.#offer(piece.length)
      if (transfer.offset < transfer.length) this.#transfers.push(transfer)
      else transfer.handedOver(transfer.length)
    }
  }

  /** After a pause the first piece takes several round trips: the window doubles with each. */
  #offer(bytes: number): void {
    const { simulation } = this.#network
    const now = simulation.now()
    const paused = this.#buffered === bytes && now - this.#activeAt > PAUSE_MS
    this.#activeAt = now
    const rounds = paused ? Math.ceil(Math.log2(bytes / FIRST_WINDOW_BYTES + 1)) - 1 : 0
    const delayMs = Math.max(0, rounds) * this.#network.roundTripMs(this.#from, this.#to)
    if (delayMs === 0) this.#from.uplink.offer(this)
    else simulation.after(delayMs, () => this.#from.uplink.offer(this))
  }
}

class Arrival implements SimEvent {
  readonly settles = true
  readonly #flow: Flow
  readonly #piece: Piece

  constructor(flow: Flow, piece: Piece) {
    this.#flow = flow
    this.#piece = piece
  }

  fire(): void {
    this.#flow.onArrival(this.#piece)
  }
}
