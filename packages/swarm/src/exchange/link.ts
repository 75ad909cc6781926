import type { Certificate } from '../membership/certificate.ts'
import { WireError } from '../wire.ts'
import { type ChunkOutlet, LaneOutlet } from './chunk-outlet.ts'
import {
  CHUNK_FRAME_HEADER_BYTES,
  type ChunkHeader,
  type ControlFrame,
  EXCHANGE_VERSION,
  encodeFrame,
  MAX_PIECE_BYTES,
  writeChunkHeader
} from './frame.ts'
import { FrameParser, type PieceSink } from './frame-parser.ts'
import type { Lane } from './lane.ts'

/** Control bytes may pile up to this before a peer that does not read is dropped. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024

/** Every frame but the first. */
export type ExchangeFrame = Exclude<ControlFrame, { type: 'hello' }>

/** What a link tells: first that the peer has shown a good certificate, then its frames, then the end. */
export interface LinkHandler {
  onReady(certificate: Certificate): void
  onFrame(frame: ExchangeFrame): void
  /** See {@link FrameHandler.onPiece}. */
  onPiece(header: ChunkHeader, length: number): PieceSink | undefined
  /** Called once; `error` is a {@link WireError} or CertificateError when the peer broke the rules. */
  onClose(error?: Error): void
}

/** What a link is made of. */
export interface LinkInit {
  readonly lane: Lane
  /** Peer id that the connection has proved. */
  readonly peerId: string
  /** Our own certificate. */
  readonly certificate: Uint8Array
  /** Name and version for the peer's log. */
  readonly agent: string
  /** Checks the peer's certificate; throws when it does not admit. */
  readonly verify: (certificate: Uint8Array) => Certificate
  readonly handler: LinkHandler
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number
}

/** A chunk to be sent. */
export interface OutgoingChunk extends Omit<ChunkHeader, 'offset'> {
  /** Bytes. */
  readonly length: number
  /** Writes the chunk's bytes from `offset` on to `target`, all that fit there. */
  read(target: Uint8Array, offset: number): Promise<void>
}

/**
 * A conversation with one peer: certificates first, then frames both ways. The simulator has one of its own, which passes
 * frames on without encoding them.
 */
export interface Link {
  readonly peerId: string
  readonly closed: boolean
  /** When the peer's latest bytes came, on whatever lane, ms. */
  readonly heardAt: number
  /** Bytes that were sent and have not left yet, those on the direct lane aside. */
  readonly queuedBytes: number
  /** Over what the next chunk goes out. */
  readonly outlet: Pick<ChunkOutlet, 'kind'>
  /** Says hello and starts to listen. */
  start(): void
  /** Sends a frame; quietly does nothing once the link is closed. */
  send(frame: ExchangeFrame): void
  /** The peer has dialled our direct lane, or that lane has ended. */
  useDirect(outlet: ChunkOutlet | undefined): void
  /**
   * Takes the bytes of a direct lane that we dialled: chunks and nothing else. What it throws ends that lane.
   *
   * @throws WireError from the function that it returns
   */
  receiveDirect(): (bytes: Uint8Array) => void
  /** The direct lane that we dialled has ended. */
  endDirect(): void
  /**
   * Sends a chunk in pieces, as fast as the peer takes them.
   *
   * @param paced called before each piece with its length; waits for the upload rate
   * @returns the bytes sent: fewer than the chunk when `signal` fired or the lane was lost in between
   * @throws what `read` throws
   */
  sendChunk(
    chunk: OutgoingChunk,
    options: { signal: AbortSignal; paced: (bytes: number) => Promise<void> }
  ): Promise<number>
  /** Ends the link. Idempotent. */
  close(error?: Error): void
}

/**
 * A link over a lane. Chunks go out over the direct lane while there is one. Nothing reaches the handler before the
 * peer's certificate is good, and whatever breaks the protocol closes the link.
 */
export class LaneLink implements Link {
  readonly peerId: string
  readonly lane: Lane
  readonly #init: LinkInit
  readonly #parser: FrameParser
  readonly #outlet: ChunkOutlet
  #direct: ChunkOutlet | undefined
  #directParser: FrameParser | undefined
  #certificate: Certificate | undefined
  #heardAt: number
  #closed = false

  constructor(init: LinkInit) {
    this.peerId = init.peerId
    this.lane = init.lane
    this.#init = init
    this.#heardAt = init.now()
    this.#outlet = new LaneOutlet(init.lane, () => this.#closed)
    this.#parser = new FrameParser({
      onFrame: (frame) => this.#onFrame(frame),
      onPiece: (header, length) => {
        if (this.#certificate === undefined) throw new WireError('a chunk came before the certificate')
        return init.handler.onPiece(header, length)
      }
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  start(): void {
    const { certificate, agent } = this.#init
    this.lane.attach({
      onData: (bytes) => this.#onData(bytes),
      onClose: (error) => this.#onClose(error)
    })
    this.lane.send(encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent }))
  }

  send(frame: ExchangeFrame): void {
    if (this.#closed) return
    this.lane.send(encodeFrame(frame))
    if (this.lane.queuedBytes > MAX_QUEUED_BYTES) this.close(new Error('the peer does not read what it is sent'))
  }

  get queuedBytes(): number {
    return this.#closed ? 0 : this.lane.queuedBytes
  }

  get outlet(): ChunkOutlet {
    return this.#direct?.closed === false ? this.#direct : this.#outlet
  }

  useDirect(outlet: ChunkOutlet | undefined): void {
    this.#direct = outlet
  }

  receiveDirect(): (bytes: Uint8Array) => void {
    const parser = new FrameParser({
      onFrame: ({ type }) => {
        throw new WireError(`${type} came on the direct lane, which is for chunks`)
      },
      onPiece: (header, length) => this.#init.handler.onPiece(header, length)
    })
    this.endDirect()
    this.#directParser = parser
    return (bytes) => {
      this.#heardAt = this.#init.now()
      if (!this.#closed) parser.push(bytes)
    }
  }

  endDirect(): void {
    this.#directParser?.end()
    this.#directParser = undefined
  }

  async sendChunk(
    chunk: OutgoingChunk,
    options: { signal: AbortSignal; paced: (bytes: number) => Promise<void> }
  ): Promise<number> {
    const { signal } = options
    const { outlet } = this
    const { channel, index } = chunk
    for (let offset = 0; offset < chunk.length; offset += MAX_PIECE_BYTES) {
      const length = Math.min(MAX_PIECE_BYTES, chunk.length - offset)
      let frame: Uint8Array
      try {
        await options.paced(length)
        frame = await outlet.frame(CHUNK_FRAME_HEADER_BYTES + length, { signal })
      } catch {
        return offset
      }
      try {
        await chunk.read(frame.subarray(CHUNK_FRAME_HEADER_BYTES), offset)
      } catch (error) {
        outlet.send(frame, { unsent: true })
        throw error
      }
      if (signal.aborted || outlet.closed) {
        outlet.send(frame, { unsent: true })
        return offset
      }
      writeChunkHeader(frame, { channel, index, offset }, length)
      outlet.send(frame)
    }
    return chunk.length
  }

  close(error?: Error): void {
    this.lane.close(error)
  }

  get heardAt(): number {
    return this.#heardAt
  }

  #onData(bytes: Uint8Array): void {
    if (this.#closed) return
    this.#heardAt = this.#init.now()
    try {
      this.#parser.push(bytes)
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #onFrame(frame: ControlFrame): void {
    if (this.#closed) return
    if (this.#certificate !== undefined) {
      if (frame.type === 'hello') throw new WireError('a second hello')
      this.#init.handler.onFrame(frame)
      return
    }
    if (frame.type !== 'hello') throw new WireError(`${frame.type} came before the certificate`)
    if (frame.version !== EXCHANGE_VERSION) {
      throw new WireError(`peer speaks exchange version ${frame.version}, this is version ${EXCHANGE_VERSION}`)
    }
    this.#certificate = this.#init.verify(frame.certificate)
    this.#init.handler.onReady(this.#certificate)
  }

  #onClose(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#parser.end()
    this.endDirect()
    this.#init.handler.onClose(error)
  }
}
