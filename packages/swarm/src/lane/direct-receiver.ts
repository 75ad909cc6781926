import type { X509Certificate } from 'node:crypto'
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { LaneEncryption, LaneOffer } from '../exchange/frame.ts'
import { WireError } from '../wire.ts'
import { ANSWER_BYTES, greet, laneName, proveTo } from './challenge.ts'
import { fingerprintOf, type LaneCertificate } from './lane-certificate.ts'
import { LANE_CIPHERS } from './lane-ciphers.ts'

/** A lane that is not open after this time is not coming. */
export const LANE_DIAL_TIMEOUT_MS = 3_000
/** A connection that carries nothing is probed after this time. */
const KEEP_ALIVE_MS = 15_000

/** What it takes to dial. */
export interface DirectReceiverInit {
  readonly host: string
  readonly port: number
  readonly encryption: LaneEncryption
  /** The certificate that we told the peer of. */
  readonly certificate: LaneCertificate
  /** What the peer told us of its own end. */
  readonly offer: LaneOffer
  /** Memory to read into; may be shared, because bytes are dealt with before the next read. */
  readonly buffer: Uint8Array
  /** The bytes are only good until this returns. What it throws ends the lane. */
  readonly onData: (bytes: Uint8Array) => void
  /** Called once when an open lane has ended. */
  readonly onClose: (error?: Error) => void
}

/** The receiving end of a direct lane: the side that dials, because only a dialled socket reads into a given buffer. */
export class DirectReceiver {
  readonly #init: DirectReceiverInit
  readonly #socket: Socket
  readonly #opened = Promise.withResolvers<void>()
  #open = false
  #error: Error | undefined
  #paused = false
  /** Without encryption: the listener's answer as it comes, and the nonce that it answers to. */
  #answer: Buffer | undefined
  #answered = 0
  #nonce: Uint8Array = new Uint8Array()

  private constructor(init: DirectReceiverInit) {
    this.#init = init
    const { host, port, certificate, encryption, buffer, offer } = init
    const onread = {
      buffer,
      callback: (length: number, bytes: Uint8Array) => this.#onRead(bytes.subarray(0, length))
    }
    const common = { host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS, onread }
    this.#socket =
      encryption === 'tls'
        ? connectTls({
            ...common,
            cert: certificate.cert,
            key: certificate.key,
            minVersion: 'TLSv1.3',
            ciphers: LANE_CIPHERS,
            servername: laneName(offer.key),
            // Nobody signs these certificates: the fingerprint decides, in #onSecure.
            rejectUnauthorized: false,
            checkServerIdentity: () => undefined
          })
        : connectPlain(common)
    this.#socket.setTimeout(LANE_DIAL_TIMEOUT_MS, () => this.close(new Error('the peer’s lane does not answer')))
    this.#socket.on(encryption === 'tls' ? 'secureConnect' : 'connect', () => this.#onConnect())
    this.#socket.on('error', (error) => this.close(error))
    this.#socket.on('end', () => this.close())
    this.#socket.on('close', () => this.#onClose())
  }

  /**
   * Dials a peer's lane.
   *
   * @throws Error when it cannot be reached or is somebody else's
   */
  static async dial(init: DirectReceiverInit, options: { signal: AbortSignal }): Promise<DirectReceiver> {
    options.signal.throwIfAborted()
    const receiver = new DirectReceiver(init)
    const onAbort = () => receiver.close(new Error('the lane is not wanted any more'))
    options.signal.addEventListener('abort', onAbort, { once: true })
    try {
      await receiver.#opened.promise
      return receiver
    } finally {
      options.signal.removeEventListener('abort', onAbort)
    }
  }

  /** Stops or goes on reading; the peer feels it once the buffers in between are full. */
  pause(paused: boolean): void {
    if (this.#paused && !paused) this.#socket.resume()
    this.#paused = paused
  }

  /** Ends the lane. Idempotent. */
  close(error?: Error): void {
    this.#error ??= error
    this.#socket.destroy()
  }

  #onConnect(): void {
    if (this.#init.encryption === 'none') {
      const { message, nonce } = greet(this.#init.offer.key)
      this.#nonce = nonce
      this.#answer = Buffer.alloc(ANSWER_BYTES)
      this.#socket.write(message)
      return
    }
    const shown: X509Certificate | undefined = (this.#socket as TLSSocket).getPeerX509Certificate()
    if (shown === undefined || Buffer.compare(fingerprintOf(shown.raw), this.#init.offer.fingerprint) !== 0) {
      this.close(new Error('somebody else answers at the peer’s lane'))
      return
    }
    this.#setOpen()
  }

  #onRead(bytes: Uint8Array): boolean {
    try {
      const rest = this.#answer === undefined ? bytes : this.#readAnswer(this.#answer, bytes)
      if (rest.length > 0) {
        if (!this.#open) throw new WireError('bytes on a lane before its ends know each other')
        this.#init.onData(rest)
      }
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)))
    }
    return !this.#paused
  }

  /** @returns what follows the answer */
  #readAnswer(answer: Buffer, bytes: Uint8Array): Uint8Array {
    const taken = Math.min(answer.length - this.#answered, bytes.length)
    answer.set(bytes.subarray(0, taken), this.#answered)
    this.#answered += taken
    if (this.#answered === answer.length) {
      this.#answer = undefined
      this.#socket.write(proveTo(this.#init.offer.key, this.#nonce, answer))
      this.#setOpen()
    }
    return bytes.subarray(taken)
  }

  #setOpen(): void {
    this.#socket.setTimeout(0)
    this.#open = true
    this.#opened.resolve()
  }

  #onClose(): void {
    if (this.#open) this.#init.onClose(this.#error)
    else this.#opened.reject(this.#error ?? new Error('the peer closed its lane'))
  }
}
