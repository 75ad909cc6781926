import type { KeyObject } from 'node:crypto'

import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { Link } from '../exchange/link.ts'
import type { Logger } from '../logger.ts'
import type { SwarmMetrics } from '../swarm-metrics.ts'
import type { TransferMetrics } from '../transfer-metrics.ts'
import type { BlobSwarm } from './blob-swarm.ts'
import type { Doubts } from './doubts.ts'
import type { ExchangeStore } from './exchange-store.ts'
import type { Fallback } from './fallback.ts'

/** How far a download is. */
export interface DownloadProgress {
  readonly digest: Digest
  /** Bytes; undefined before the chunk map is known. */
  readonly size: number | undefined
  readonly verifiedBytes: number
  readonly peers: number
  readonly fromPeersBytes: number
  readonly fromRegistryBytes: number
}

/** What a download needs. */
export interface DownloadInit {
  /** Our own peer id. */
  readonly peerId: string
  readonly swarm: BlobSwarm
  readonly store: Pick<ExchangeStore, 'partial' | 'buffers'>
  readonly authorityKey: KeyObject
  readonly fallback: Fallback | undefined
  readonly clock: Clock
  readonly random: () => number
  readonly logger: Logger
  readonly metrics: SwarmMetrics
  readonly transfer: TransferMetrics
  /** Our number for the blob on a link. */
  readonly channel: (link: Link) => number
  /** Links that have been told of our want, or will be once the peer has shown its certificate. */
  readonly links: () => number
  /** Resolves when every way of finding further peers has been tried. */
  readonly discovery: Promise<void>
  /** Bytes that may still be asked for, over all downloads. */
  readonly roomBytes: () => number
  /** Whether a download that somebody waits for still has something to ask for. */
  readonly isForegroundHungry: () => boolean
  /** So many bytes have come and are to be written; negative: are written, or thrown away. */
  readonly storing: (bytes: number) => void
  /** A peer may still send so many bytes that nobody wants any more. */
  readonly forgive: (link: Link, bytes: number) => void
  /** Bytes of chunks that were asked for are counted against the download rate. */
  readonly pace: { readonly available: number; delayMs(): number; spend(bytes: number): void }
  /** Bytes came that this download did not ask for. @throws WireError when an earlier one cannot have asked for them */
  readonly stray: (link: Link, bytes: number) => void
  readonly ban: (peerId: string, reason: string) => void
  readonly doubts: Doubts
  /** Whether the registry's node is linked. */
  readonly isRegistryLinked: () => boolean
}
