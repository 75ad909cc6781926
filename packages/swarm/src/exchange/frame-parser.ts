import { WireError } from '../wire.ts'
import {
  CHUNK_HEADER_BYTES,
  type ChunkHeader,
  type ControlFrame,
  decodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  MAX_CONTROL_BYTES,
  MAX_PIECE_BYTES
} from './frame.ts'

/** Where the payload of one CHUNK frame goes. */
export interface PieceSink {
  /** As long as the payload. */
  readonly target: Uint8Array
  /** The payload is there. */
  filled(): void
  /** The rest of the payload will not come, and the target is not written to any more. */
  abandoned(): void
}

/** What a parser tells of the frames that it finds. Anything thrown here ends the parse. */
export interface FrameHandler {
  onFrame(frame: ControlFrame): void
  /**
   * The payload of a CHUNK frame is about to come, `length` bytes of it.
   *
   * @returns where to put it, or undefined to let it pass
   */
  onPiece(header: ChunkHeader, length: number): PieceSink | undefined
}

interface IncomingPayload {
  readonly sink: PieceSink | undefined
  readonly length: number
  received: number
}

/**
 * Cuts a byte stream into frames. It is fed whatever the socket delivers and keeps at most one header or one control
 * frame; chunk payload is copied once, straight to where the handler wants it, and never kept here.
 */
export class FrameParser {
  readonly #handler: FrameHandler
  /** Collects a header, then a control frame's body. Grown only to a length that has been checked. */
  #pending = new Uint8Array(FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES)
  #filled = 0
  #wanted = FRAME_HEADER_BYTES
  #type = 0
  #chunk: IncomingPayload | undefined
  #ended = false

  constructor(handler: FrameHandler) {
    this.#handler = handler
  }

  /** Whether the stream may end here: between two frames. */
  get idle(): boolean {
    return this.#filled === 0 && this.#type === 0 && this.#chunk === undefined
  }

  /** The stream has ended: what of a payload has come is given up. Nothing may be pushed after that. */
  end(): void {
    const sink = this.#chunk?.sink
    this.#ended = true
    this.#chunk = undefined
    sink?.abandoned()
  }

  /**
   * Takes the next bytes of the stream. They may be reused by the caller once this returns.
   *
   * @throws WireError when the bytes break the protocol; nothing may be pushed after that
   */
  push(bytes: Uint8Array): void {
    let at = 0
    while (at < bytes.length && !this.#ended) {
      if (this.#chunk === undefined) at += this.#collect(bytes.subarray(at))
      else at += this.#fill(this.#chunk, bytes.subarray(at))
    }
  }

  #collect(bytes: Uint8Array): number {
    const taken = Math.min(this.#wanted - this.#filled, bytes.length)
    this.#pending.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), this.#filled)
    this.#filled += taken
    if (this.#filled === this.#wanted) this.#advance()
    return taken
  }

  #advance(): void {
    if (this.#type === 0) this.#startFrame()
    else if (this.#type === FRAME_TYPES.chunk) this.#startChunk()
    else {
      const type = this.#type
      // A copy, because a frame may keep views of its body and the buffer is used again.
      const body = this.#pending.slice(FRAME_HEADER_BYTES, this.#wanted)
      this.#reset()
      this.#handler.onFrame(decodeFrame(type, body))
    }
  }

  #startFrame(): void {
    const view = new DataView(this.#pending.buffer)
    const length = view.getUint32(0)
    const type = view.getUint8(4)
    const bodyLength = length - 1
    const limit = type === FRAME_TYPES.chunk ? CHUNK_HEADER_BYTES + MAX_PIECE_BYTES : MAX_CONTROL_BYTES
    if (type === 0 || length < 1) throw new WireError('a frame without a type')
    if (bodyLength > limit) throw new WireError(`frame of ${bodyLength} bytes, type ${type} allows ${limit}`)
    this.#type = type
    if (type === FRAME_TYPES.chunk) {
      if (bodyLength <= CHUNK_HEADER_BYTES) throw new WireError('a chunk frame without payload')
      this.#wanted = FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES
      return
    }
    this.#wanted = FRAME_HEADER_BYTES + bodyLength
    if (this.#wanted > this.#pending.length) {
      const grown = new Uint8Array(this.#wanted)
      grown.set(this.#pending)
      this.#pending = grown
    }
    if (bodyLength === 0) this.#advance()
  }

  #startChunk(): void {
    const view = new DataView(this.#pending.buffer)
    const length = view.getUint32(0) - 1 - CHUNK_HEADER_BYTES
    const header = { channel: view.getUint32(5), index: view.getUint32(9), offset: view.getUint32(13) }
    this.#chunk = { sink: this.#handler.onPiece(header, length), length, received: 0 }
  }

  #fill(chunk: IncomingPayload, bytes: Uint8Array): number {
    const taken = Math.min(chunk.length - chunk.received, bytes.length)
    chunk.sink?.target.set(taken === bytes.length ? bytes : bytes.subarray(0, taken), chunk.received)
    chunk.received += taken
    if (chunk.received === chunk.length) {
      this.#chunk = undefined
      this.#reset()
      chunk.sink?.filled()
    }
    return taken
  }

  #reset(): void {
    this.#type = 0
    this.#filled = 0
    this.#wanted = FRAME_HEADER_BYTES
  }
}
