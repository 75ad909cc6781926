/** What a node has in its hands at this moment. */
export interface ExchangeLoad {
  /** Chunks that peers asked for and have not been sent. */
  readonly queuedUploads: number
  /** Peers that wait for their turn to be sent a chunk. */
  readonly waitingPeers: number
  /** Bytes that were sent to peers over libp2p and have not left yet. */
  readonly queuedBytes: number
  /** Payload bytes that were asked for and are not on disk. */
  readonly pendingBytes: number
  /** Payload bytes that have come and are not on disk. */
  readonly storingBytes: number
  readonly waitingPrefetches: number
  /** Blobs that peers want, or that are fetched. */
  readonly swarms: number
  /** Files of whole blobs that are open for peers. */
  readonly openFiles: number
  /** Numbers that the links have given to blobs. */
  readonly channels: number
  /** Frames that wait until it is known whether their blob is here. */
  readonly deferredFrames: number
  /** Links on which the peer has not shown its certificate. */
  readonly unprovenLinks: number
}
