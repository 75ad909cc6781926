/** One thing under way, as a bar or a line shows it. */
export interface ProgressItem {
  readonly label: string
  readonly state: 'waiting' | 'running' | 'done' | 'failed'
  readonly doneBytes: number
  /** Undefined while it is not known. */
  readonly totalBytes?: number
  readonly bytesPerSecond: number
  /** How much of it came from peers, 0 to 1. */
  readonly peerShare?: number
  /** Peers that it comes from now. */
  readonly peers?: number
  /** A few words instead of figures: `already there`. */
  readonly note?: string
}
