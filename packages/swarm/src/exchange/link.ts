import type { Certificate } from '../membership/certificate.ts'
import { WireError } from '../wire.ts'
import {
  type ChunkHeader,
  type ControlFrame,
  EXCHANGE_VERSION,
  encodeChunkHeader,
  encodeFrame,
  MAX_PIECE_BYTES
} from './frame.ts'
import { FrameParser } from './frame-parser.ts'
import type { Lane } from './lane.ts'

/** Control bytes may pile up to this before a peer that does not read is dropped. */
const MAX_QUEUED_BYTES = 8 * 1024 * 1024

/** Every frame but the first. */
export type ExchangeFrame = Exclude<ControlFrame, { type: 'hello' }>

/** What a link tells: first that the peer has shown a good certificate, then its frames, then the end. */
export interface LinkHandler {
  onReady(certificate: Certificate): void
  onFrame(frame: ExchangeFrame): void
  /** See {@link FrameHandler.onChunkStart}. */
  onChunkStart(header: ChunkHeader, length: number): Uint8Array | undefined
  onChunkEnd(header: ChunkHeader, length: number): void
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
}

/**
 * A conversation with one peer: certificates first, then frames both ways. Nothing reaches the handler before the
 * peer's certificate is good, and whatever breaks the protocol closes the link.
 */
export class Link {
  readonly peerId: string
  readonly lane: Lane
  readonly #init: LinkInit
  readonly #parser: FrameParser
  #certificate: Certificate | undefined
  #closed = false

  constructor(init: LinkInit) {
    this.peerId = init.peerId
    this.lane = init.lane
    this.#init = init
    this.#parser = new FrameParser({
      onFrame: (frame) => this.#onFrame(frame),
      onChunkStart: (header, length) => {
        if (this.#certificate === undefined) throw new WireError('a chunk came before the certificate')
        return init.handler.onChunkStart(header, length)
      },
      onChunkEnd: (header, length) => init.handler.onChunkEnd(header, length)
    })
  }

  get closed(): boolean {
    return this.#closed
  }

  /** Says hello and starts to listen. */
  start(): void {
    const { certificate, agent } = this.#init
    this.lane.attach({
      onData: (bytes) => this.#onData(bytes),
      onClose: (error) => this.#onClose(error)
    })
    this.lane.send(encodeFrame({ type: 'hello', version: EXCHANGE_VERSION, certificate, agent }))
  }

  /** Sends a frame; quietly does nothing once the link is closed. */
  send(frame: ExchangeFrame): void {
    if (this.#closed) return
    this.lane.send(encodeFrame(frame))
    if (this.lane.queuedBytes > MAX_QUEUED_BYTES) this.close(new Error('the peer does not read what it is sent'))
  }

  /**
   * Sends a chunk in pieces, as fast as the peer takes them.
   *
   * @param paced called before each piece with its length; waits for the upload rate
   * @returns the bytes sent: fewer than the chunk when `signal` fired in between
   * @throws Error when the link closes
   */
  async sendChunk(
    header: Omit<ChunkHeader, 'offset'>,
    chunk: Uint8Array,
    options: { signal: AbortSignal; paced: (bytes: number) => Promise<void> }
  ): Promise<number> {
    for (let offset = 0; offset < chunk.length; offset += MAX_PIECE_BYTES) {
      const piece = chunk.subarray(offset, offset + MAX_PIECE_BYTES)
      await options.paced(piece.length)
      await this.lane.drained()
      if (options.signal.aborted) return offset
      this.lane.send(encodeChunkHeader({ ...header, offset }, piece.length), piece)
    }
    return chunk.length
  }

  /** Ends the link. Idempotent. */
  close(error?: Error): void {
    this.lane.close(error)
  }

  #onData(bytes: Uint8Array): void {
    if (this.#closed) return
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
    this.#init.handler.onClose(error)
  }
}
