import type { SimEvent } from '../engine/event-queue.ts'
import type { Simulation } from '../engine/simulation.ts'
import type { Flow, Piece } from './flow.ts'
import { msPerByte } from './link-queue.ts'

/** What a node sends: its flows take turns, piece by piece, as TCP connections share a line about evenly. */
export class Uplink implements SimEvent {
  readonly #simulation: Simulation
  readonly #msPerByte: number
  readonly #queueMs: number
  /** Flows with something to send, the next first. */
  readonly #waiting: Flow[] = []
  #first = 0
  #sending: Flow | undefined
  #piece: Piece | undefined
  /** What messages took from the line while a piece was on it, ms. */
  #owedMs = 0
  /** When messages that found the line free are off it, ms. */
  #lineUntil = 0
  /** When the last message is out, ms: none overtakes another. */
  #messagesUntil = 0
  /** Bytes sent, messages and all. */
  bytes = 0
  /** Bytes of chunks sent. */
  payloadBytes = 0

  /** @param queueMs how long a message waits behind chunks in the queue of the line */
  constructor(simulation: Simulation, mbit: number, queueMs: number) {
    this.#simulation = simulation
    this.#msPerByte = msPerByte(mbit)
    this.#queueMs = queueMs
  }

  /** Whether a piece is on the line. */
  get isSending(): boolean {
    return this.#sending !== undefined
  }

  /** A flow has something to send. */
  offer(flow: Flow): void {
    if (flow.waiting) return
    flow.waiting = true
    this.#waiting.push(flow)
    if (this.#sending === undefined) this.#next()
  }

  /** A message goes out, behind what the line has taken of chunks. @returns when it is out, ms */
  pass(bytes: number): number {
    this.bytes += bytes
    const ms = bytes * this.#msPerByte
    const now = this.#simulation.now()
    if (this.#sending === undefined) {
      this.#lineUntil = Math.max(now, this.#lineUntil) + ms
      this.#messagesUntil = Math.max(this.#lineUntil, this.#messagesUntil)
    } else {
      this.#owedMs += ms
      this.#messagesUntil = Math.max(this.#messagesUntil, now + this.#queueMs) + ms
    }
    return this.#messagesUntil
  }

  /** A piece is out. */
  fire(): void {
    const flow = this.#sending
    const piece = this.#piece
    this.#sending = undefined
    this.#piece = undefined
    if (flow === undefined || piece === undefined) return
    this.bytes += piece.length
    this.payloadBytes += piece.length
    flow.sent(piece)
    if (flow.queued > 0) this.offer(flow)
    if (this.#sending === undefined) this.#next()
  }

  #next(): void {
    const flow = this.#waiting[this.#first]
    if (flow === undefined) {
      this.#waiting.length = 0
      this.#first = 0
      return
    }
    flow.waiting = false
    this.#first++
    if (this.#first > 64 && this.#first * 2 > this.#waiting.length) {
      this.#waiting.splice(0, this.#first)
      this.#first = 0
    }
    const piece = flow.take()
    if (piece === undefined) {
      this.#next()
      return
    }
    this.#sending = flow
    this.#piece = piece
    const start = Math.max(this.#simulation.now(), this.#lineUntil)
    this.#simulation.at(start + this.#owedMs + piece.length * this.#msPerByte, this)
    this.#owedMs = 0
  }
}
