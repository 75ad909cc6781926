import type { Writable } from 'node:stream'
import { setImmediate } from 'node:timers/promises'
import type { ByteRange } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import type { BlobSource } from './blob-source.ts'
import { SendBuffers } from './send-buffers.ts'

/** Bytes read and written at a time. Larger is not faster, and delays other requests more. */
export const SEND_BUFFER_BYTES = 256 * 1024
/** Buffers of one transfer: one is written while the next is read. */
export const SEND_BUFFERS = 2
/** After so many bytes a transfer lets everything else have its turn, even if it need not wait for anything. */
export const SEND_TURN_BYTES = 512 * 1024

/** Of all transfers of the process: it is the process's memory that is limited. */
export const sendBuffers = new SendBuffers(SEND_BUFFER_BYTES)

/** What a transfer may be told. */
export interface SendOptions extends AbortOptions {
  /** Called with each number of bytes that were handed over. */
  readonly onBytes?: (bytes: number) => void
}

/** The receiver went away before it had everything. */
export class SendInterruptedError extends Error {
  override readonly name = 'SendInterruptedError'
  readonly code = 'SEND_INTERRUPTED'

  constructor(options?: ErrorOptions) {
    super('the receiver closed the connection before the end', options)
  }
}

/**
 * Write `range` of a blob to `writable`, as fast as it takes the bytes and as they become available, and do not end
 * it. At most two buffers are in memory, and of many slow
 * receivers together not much more than 64 MiB.
 *
 * A buffer is used again once the write's callback was called. So `writable` has to be one that is done with the bytes
 * then, as sockets, files and HTTP messages are; a `PassThrough` is not.
 *
 * @throws SendInterruptedError when the writable closes early, the signal's reason, what the source throws, or RangeError
 * when the blob has no such range.
 */
export async function sendBlob(
  source: BlobSource,
  range: ByteRange,
  writable: Writable,
  options?: SendOptions
): Promise<void> {
  if (range.start < 0 || range.end > source.size || range.start > range.end) {
    throw new RangeError(`bytes ${range.start} to ${range.end} are not within a blob of ${source.size} bytes`)
  }
  const receiver = new Receiver(writable, options)
  try {
    let position = range.start
    let turn = 0
    while (position < range.end) {
      const buffer = await receiver.buffer()
      const available = await source.available(position, { signal: receiver.signal })
      const length = await source.read(
        buffer.subarray(0, Math.min(buffer.length, available, range.end - position)),
        position
      )
      if (length === 0) throw new RangeError(`the source of ${source.digest} ended at ${position} of ${range.end}`)
      receiver.signal.throwIfAborted()
      receiver.write(buffer, length)
      position += length
      turn += length
      if (turn >= SEND_TURN_BYTES) {
        // Bytes that are in memory, and a receiver that takes them at once: nothing above went through the event loop.
        await setImmediate()
        turn = 0
      }
    }
    await receiver.drained()
  } finally {
    receiver.close()
  }
}

/** A writable with the buffers that it has not taken yet. */
class Receiver {
  /** Aborts when the transfer has to end, whoever wants it. */
  readonly signal: AbortSignal
  readonly #writable: Writable
  readonly #options: SendOptions | undefined
  readonly #gone = new AbortController()
  /** The buffer that is being filled. */
  #held: Buffer | undefined
  readonly #writing = new Set<Buffer>()
  #wake: PromiseWithResolvers<void> | undefined

  constructor(writable: Writable, options: SendOptions | undefined) {
    this.#writable = writable
    this.#options = options
    const signals = [this.#gone.signal]
    if (options?.signal !== undefined) signals.push(options.signal)
    this.signal = AbortSignal.any(signals)
    this.signal.addEventListener('abort', this.#onAbort)
    writable.on('close', this.#onClose)
    writable.on('error', this.#onError)
    if (writable.destroyed || writable.closed) this.#onClose()
  }

  /** A buffer to fill, as soon as the writable is done with one. */
  async buffer(): Promise<Buffer> {
    for (;;) {
      this.signal.throwIfAborted()
      if (this.#writing.size < SEND_BUFFERS) return this.#keep(sendBuffers.take())
      await this.#change()
    }
  }

  write(buffer: Buffer, length: number): void {
    this.#held = undefined
    this.#writing.add(buffer)
    this.#writable.write(buffer.subarray(0, length), (error) => {
      if (!this.#writing.delete(buffer)) return
      if (error) {
        sendBuffers.forget(buffer)
        this.#onError(error)
        return
      }
      // Not kept for the next write: a receiver that is slow from here on should not hold more than it writes.
      sendBuffers.give(buffer)
      this.#options?.onBytes?.(length)
      this.#wake?.resolve()
    })
  }

  /** Wait until everything was taken. */
  async drained(): Promise<void> {
    while (this.#writing.size > 0) {
      this.signal.throwIfAborted()
      await this.#change()
    }
  }

  /** Give back what is free. A buffer whose write did not come back is left alone: it may still be read. */
  close(): void {
    this.#writable.off('close', this.#onClose)
    this.#writable.off('error', this.#onError)
    this.signal.removeEventListener('abort', this.#onAbort)
    if (this.#held !== undefined) sendBuffers.give(this.#held)
    for (const buffer of this.#writing) sendBuffers.forget(buffer)
    this.#writing.clear()
  }

  #keep(buffer: Buffer): Buffer {
    this.#held = buffer
    return buffer
  }

  async #change(): Promise<void> {
    this.#wake = Promise.withResolvers<void>()
    await this.#wake.promise
  }

  readonly #onAbort = (): void => this.#wake?.resolve()
  readonly #onClose = (): void => this.#gone.abort(new SendInterruptedError())
  readonly #onError = (error: Error): void => this.#gone.abort(new SendInterruptedError({ cause: error }))
}
