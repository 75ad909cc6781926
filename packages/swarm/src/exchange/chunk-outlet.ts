import type { ByteLane } from '../transfer-metrics.ts'
import type { Lane } from './lane.ts'

/**
 * Where CHUNK frames go out to a peer. A frame is written into memory that the outlet lends, so that an outlet which
 * knows when the bytes have left can use that memory again.
 */
export interface ChunkOutlet {
  readonly kind: ByteLane
  readonly closed: boolean
  /**
   * Waits until the peer takes another frame and lends memory for one of `length` bytes. Every frame lent must come back
   * by {@link ChunkOutlet.send}.
   *
   * @throws Error when the outlet closes, or the signal's reason
   */
  frame(length: number, options?: { signal?: AbortSignal }): Promise<Uint8Array>
  /** Sends a frame that was lent, or takes it back unsent. Quietly does nothing once closed. */
  send(frame: Uint8Array, options?: { unsent: boolean }): void
}

/** CHUNK frames among all the others on a lane. */
export class LaneOutlet implements ChunkOutlet {
  readonly #lane: Lane
  readonly #isClosed: () => boolean

  constructor(lane: Lane, isClosed: () => boolean) {
    this.#lane = lane
    this.#isClosed = isClosed
  }

  get kind(): ByteLane {
    return this.#lane.kind
  }

  get closed(): boolean {
    return this.#isClosed()
  }

  async frame(length: number, options?: { signal?: AbortSignal }): Promise<Uint8Array> {
    await this.#lane.drained(options)
    return Buffer.allocUnsafeSlow(length)
  }

  send(frame: Uint8Array, options?: { unsent: boolean }): void {
    if (options?.unsent !== true) this.#lane.send(frame)
  }
}
