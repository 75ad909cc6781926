import type { Socket } from 'node:net'
import type { ChunkOutlet } from '../exchange/chunk-outlet.ts'
import type { FramePool } from './frame-pool.ts'

/** Frames of one lane that are written and have not left: one goes out while the next is filled. */
export const MAX_FRAMES_UNDER_WAY = 2

/** What a sender is made of. */
export interface DirectSenderInit {
  /** A connection that the receiver dialled, and has proved to be who it should be. */
  readonly socket: Socket
  readonly frames: FramePool
  /** Called once. */
  readonly onClose: (sender: DirectSender) => void
}

/** The sending end of a direct lane. */
export class DirectSender implements ChunkOutlet {
  readonly kind = 'direct'
  readonly #init: DirectSenderInit
  /** Memory of each frame that was lent or is being written. */
  readonly #memory = new Map<Uint8Array, Buffer>()
  readonly #waiting: PromiseWithResolvers<void>[] = []

  constructor(init: DirectSenderInit) {
    this.#init = init
    const { socket } = init
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#onClose())
    // Whoever dialled only receives: anything that it says breaks the protocol, and the end of its side is the end.
    socket.on('data', () => socket.destroy())
    socket.on('end', () => socket.destroy())
    // It may have been read by hand before, and a listener alone does not make such a stream flow.
    setImmediate(() => socket.resume())
    if (socket.destroyed) this.#onClose()
  }

  get closed(): boolean {
    return this.#init.socket.destroyed
  }

  async frame(length: number, options?: { signal?: AbortSignal }): Promise<Uint8Array> {
    const { signal } = options ?? {}
    while (this.#memory.size >= MAX_FRAMES_UNDER_WAY && !this.closed) {
      signal?.throwIfAborted()
      const waiting = Promise.withResolvers<void>()
      this.#waiting.push(waiting)
      const onAbort = () => {
        // Whoever is woken next must be somebody who still waits.
        const at = this.#waiting.indexOf(waiting)
        if (at >= 0) this.#waiting.splice(at, 1)
        waiting.resolve()
      }
      signal?.addEventListener('abort', onAbort, { once: true })
      await waiting.promise
      signal?.removeEventListener('abort', onAbort)
    }
    if (signal?.aborted === true || this.closed) {
      // Woken and aborted at once: the turn is another's.
      this.#waiting.shift()?.resolve()
      signal?.throwIfAborted()
      throw new Error('the lane to the peer is closed')
    }
    const memory = this.#init.frames.take()
    const frame = memory.subarray(0, length)
    this.#memory.set(frame, memory)
    return frame
  }

  send(frame: Uint8Array, options?: { unsent: boolean }): void {
    if (options?.unsent === true || this.closed) {
      this.#returned(frame)
      return
    }
    this.#init.socket.write(frame, (error) => {
      // After an error the system may still read that memory: it is left alone.
      if (error == null) this.#returned(frame)
    })
  }

  close(): void {
    this.#init.socket.destroy()
  }

  #returned(frame: Uint8Array): void {
    const memory = this.#memory.get(frame)
    if (memory === undefined) return
    this.#memory.delete(frame)
    this.#init.frames.give(memory)
    this.#waiting.shift()?.resolve()
  }

  #onClose(): void {
    for (const { resolve } of this.#waiting.splice(0)) resolve()
    this.#init.onClose(this)
  }
}
