import type { ByteLane } from '../transfer-metrics.ts'

/** What a lane tells of its life. */
export interface LaneHandler {
  /** Bytes from the peer, in order. They may be reused once this returns. */
  onData(bytes: Uint8Array): void
  /** The lane is gone, once; `error` when it did not end by agreement. */
  onClose(error?: Error): void
}

/**
 * A byte duplex to one peer that carries exchange frames. Reading cannot be paused: a peer only sends what it was
 * asked for, so the bound is the requests in flight, and whoever sends more is disconnected.
 */
export interface Lane {
  readonly kind: ByteLane
  /** Bytes that were sent but have not left yet. */
  readonly queuedBytes: number
  /** Starts delivery to `handler`. Called once. */
  attach(handler: LaneHandler): void
  /**
   * Queues bytes for sending. They must not change afterwards.
   *
   * @returns false when the caller should wait for {@link Lane.drained} before sending more
   */
  send(bytes: Uint8Array): boolean
  /** Resolves when more may be sent. Rejects when the lane closes or `signal` fires. */
  drained(options?: { signal?: AbortSignal }): Promise<void>
  /** Ends the lane, with queued bytes sent when there is no error. Idempotent. */
  close(error?: Error): void
}
