/** What came of a run. Times over bounds and copies are plain numbers; what has no samples is undefined. */
export interface Outcome {
  readonly scenario: string
  /** Nodes at the beginning. */
  readonly nodes: number
  readonly chunks: number
  readonly imageBytes: number
  readonly seed: number
  /** The least time for the nodes that count, in seconds. */
  readonly boundSeconds: number
  /** Time over the fluid bound. */
  readonly p50: number | undefined
  readonly p99: number | undefined
  readonly max: number | undefined
  readonly p50Seconds: number | undefined
  readonly p99Seconds: number | undefined
  readonly firstByteP50Seconds: number | undefined
  readonly firstByteP99Seconds: number | undefined
  /** Payload that the registry sent, in copies of all images. */
  readonly seedCopies: number
  /** The same with its control messages: what its link carried. */
  readonly seedLinkCopies: number
  /** The most that one line between two zones carried, in copies. */
  readonly zoneLinkCopies: number | undefined
  /** The most that came into one zone but the registry's. */
  readonly zoneCopies: number | undefined
  readonly messagesPerNode: number
  readonly controlBytesPerNode: number
  /** Control bytes that a node sent over the bytes of an image. */
  readonly controlShare: number
  /** Payload that came in vain, over what was needed. */
  readonly duplicates: number
  /** Wrong chunks that came and were thrown away. */
  readonly wrongChunks: number
  /** Pulls that failed and were begun anew. */
  readonly failures: number
  /** Nodes that stayed and have not got their image. */
  readonly unfinished: number
  readonly virtualSeconds: number
  readonly wallSeconds: number
  readonly events: number
  readonly peakMemoryMiB: number
}
