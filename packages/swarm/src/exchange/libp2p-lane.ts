import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import type { Lane, LaneHandler } from './lane.ts'

/**
 * An exchange lane over a libp2p stream. Back-pressure is taken from the `drain` event: the stream's own `onDrain()`
 * resolves at once from its second use on.
 */
export class Libp2pLane implements Lane {
  readonly kind = 'libp2p'
  readonly #stream: Stream
  #closed = false
  #handler: LaneHandler | undefined

  constructor(stream: Stream) {
    this.#stream = stream
  }

  get queuedBytes(): number {
    return this.#stream.writeBufferLength
  }

  attach(handler: LaneHandler): void {
    this.#handler = handler
    this.#stream.addEventListener('close', (event: StreamCloseEvent) => this.#end(event.error))
    // A peer that stops writing is done: the exchange has no half-open state.
    this.#stream.addEventListener('remoteCloseWrite', () => this.close())
    this.#stream.addEventListener('message', (event: StreamMessageEvent) => {
      if (event.data instanceof Uint8Array) handler.onData(event.data)
      else for (const bytes of event.data) handler.onData(bytes)
    })
    if (this.#stream.status !== 'open') this.#end()
  }

  send(bytes: Uint8Array): boolean {
    if (this.#closed || this.#stream.writeStatus !== 'writable') return true
    try {
      return this.#stream.send(bytes)
    } catch (error) {
      this.close(error instanceof Error ? error : new Error(String(error)))
      return true
    }
  }

  drained(options?: { signal?: AbortSignal }): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#closed) return Promise.reject(new Error('the connection to the peer is closed'))
    if (!this.#stream.writableNeedsDrain) return Promise.resolve()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const onDrain = () => resolve()
    const onClose = () => reject(new Error('the connection to the peer closed'))
    const onAbort = () => reject(options?.signal?.reason)
    this.#stream.addEventListener('drain', onDrain)
    this.#stream.addEventListener('close', onClose)
    options?.signal?.addEventListener('abort', onAbort)
    return promise.finally(() => {
      this.#stream.removeEventListener('drain', onDrain)
      this.#stream.removeEventListener('close', onClose)
      options?.signal?.removeEventListener('abort', onAbort)
    })
  }

  close(error?: Error): void {
    if (this.#closed) return
    if (error === undefined) this.#stream.close().catch((cause: Error) => this.#stream.abort(cause))
    else this.#stream.abort(error)
    this.#end(error)
  }

  #end(error?: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#handler?.onClose(error)
  }
}
