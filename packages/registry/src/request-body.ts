import type { Readable } from 'node:stream'
import type { ByteReader } from '@shoal/content'

/** Piece that whoever iterates gets at a time, bytes. */
const PIECE_BYTES = 64 * 1024

/** Has a say in what passes. What it throws ends the body there, as if it were the body's error. */
export interface BodyCheck {
  /** Told how many bytes will have passed with the next piece. */
  passed(bytes: number): void
  /** Told how many bytes there were in all. */
  ended?(bytes: number): void
}

/** A reader waits for bytes. */
interface Waiting {
  readonly target: Uint8Array
  filled: number
  readonly done: PromiseWithResolvers<number>
}

/**
 * The body of a request, to be read once. Stopping in the middle leaves the connection open, so that an answer can still
 * be sent; a client that goes away in the middle makes it throw.
 *
 * While nobody waits for bytes, nothing is read from the connection but what is under way.
 */
export class RequestBody implements ByteReader {
  readonly #raw: Readable
  readonly #checks: readonly BodyCheck[]
  readonly #rest: Uint8Array[] = []
  #passed = 0
  #waiting: Waiting | undefined
  #over: { readonly error?: unknown } | undefined
  #listening = false

  constructor(raw: Readable, ...checks: readonly BodyCheck[]) {
    this.#raw = raw
    this.#checks = checks
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, void> {
    try {
      for (;;) {
        // A new one each time: who takes pieces may keep them.
        const piece = Buffer.allocUnsafeSlow(PIECE_BYTES)
        const length = await this.fill(piece)
        if (length === 0) return
        yield piece.subarray(0, length)
      }
    } finally {
      this.close()
    }
  }

  async fill(target: Uint8Array): Promise<number> {
    const waiting: Waiting = { target, filled: 0, done: Promise.withResolvers<number>() }
    for (let piece = this.#rest.shift(); piece !== undefined; piece = this.#rest.shift()) {
      if (!this.#copy(piece, waiting)) return waiting.filled
    }
    this.#waiting = waiting
    if (this.#over !== undefined) this.#answer()
    else if (this.#listening) this.#raw.resume()
    else this.#listen()
    return await waiting.done.promise
  }

  /**
   * With a reason, what has come and was not given is dropped, and asking for more throws the reason: a client that
   * asked how far its upload is, and goes on there on a new connection, must find it there.
   */
  close(reason?: unknown): void {
    this.#rest.length = 0
    if (reason === undefined) {
      this.#end({})
      return
    }
    if (this.#waiting !== undefined) this.#waiting.filled = 0
    // Also where all has come: what is dropped of it was not taken in.
    this.#leave({ error: reason })
    this.#answer()
  }

  #listen(): void {
    this.#listening = true
    const raw = this.#raw
    if (raw.readableEnded) this.#ended()
    else if (raw.destroyed) this.#gone()
    else raw.on('data', this.#take).once('end', this.#ended).once('error', this.#failed).once('close', this.#gone)
  }

  readonly #take = (piece: Uint8Array): void => {
    if (this.#over !== undefined) return
    try {
      for (const check of this.#checks) check.passed(this.#passed + piece.length)
    } catch (error) {
      this.#end({ error })
      return
    }
    this.#passed += piece.length
    if (this.#waiting === undefined) this.#rest.push(piece)
    else if (this.#copy(piece, this.#waiting)) return
    else this.#answer()
    this.#raw.pause()
  }

  readonly #ended = (): void => {
    try {
      for (const check of this.#checks) check.ended?.(this.#passed)
      this.#end({})
    } catch (error) {
      this.#end({ error })
    }
  }
  readonly #failed = (error: unknown): void => this.#end({ error })
  readonly #gone = (): void => this.#end({ error: new Error('the client went away in the middle of the body') })

  /** @returns whether there is room for more */
  #copy(piece: Uint8Array, waiting: Waiting): boolean {
    const room = waiting.target.length - waiting.filled
    waiting.target.set(piece.length > room ? piece.subarray(0, room) : piece, waiting.filled)
    waiting.filled += Math.min(piece.length, room)
    if (piece.length > room) this.#rest.unshift(piece.subarray(room))
    return piece.length < room
  }

  /** Give whoever waits what there is. */
  #answer(): void {
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    if (waiting.filled === 0 && this.#over?.error !== undefined) waiting.done.reject(this.#over.error)
    else waiting.done.resolve(waiting.filled)
  }

  #end(over: { readonly error?: unknown }): void {
    if (this.#over === undefined) this.#leave(over)
    this.#answer()
  }

  #leave(over: { readonly error?: unknown }): void {
    if (this.#over === undefined) this.#raw.pause()
    this.#over = over
    this.#raw.off('data', this.#take).off('end', this.#ended).off('error', this.#failed).off('close', this.#gone)
  }
}
