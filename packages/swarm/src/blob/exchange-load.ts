/** What a node has in its hands at this moment. */
export interface ExchangeLoad {
  /** Chunks that peers asked for and have not been sent. */
  readonly queuedUploads: number
  /** Payload bytes that were asked for and are not on disk. */
  readonly pendingBytes: number
  /** Payload bytes that have come and are not on disk. */
  readonly storingBytes: number
  readonly waitingPrefetches: number
}
