import type { Digest } from '@shoal/oci'
import type { Clock } from '../clock.ts'
import type { ChunkHeader, ControlFrame, PeerAddress } from '../exchange/frame.ts'
import type { PieceSink } from '../exchange/frame-parser.ts'
import type { Link } from '../exchange/link.ts'
import type { PeerPlace } from '../peers/peer-links.ts'
import type { UploadJob } from '../peers/uploads.ts'
import type { Participant } from './participant.ts'

/** A frame of one type. */
export type FrameOf<T extends ControlFrame['type']> = Extract<ControlFrame, { type: T }>

/** What a download wants to hear of the swarm that it belongs to. */
export interface SwarmListener {
  /** A peer is new, or what it holds is known anew. */
  onParticipant(participant: Participant): void
  onHave(participant: Participant, indexes: readonly number[]): void
  onGone(participant: Participant): void
  /** The peer does not answer for now. */
  onSilent(participant: Participant): void
  /** What the peer was sending over its direct lane is lost; it is still there. */
  onLaneLost(participant: Participant): void
  onMap(participant: Participant, frame: FrameOf<'map'>): void
  onReject(participant: Participant, frame: FrameOf<'reject'>): void
  onPiece(participant: Participant, header: ChunkHeader, length: number): PieceSink | undefined
}

/** What a blob's swarm needs of its node. */
export interface BlobSwarmInit {
  readonly digest: Digest
  readonly clock: Clock
  /** How often a chunk is sent at most; undefined for as often as asked. */
  readonly seedCopies: number | undefined
  /** See `REPEAT_AFTER_MS`; 0 for never making anybody wait. */
  readonly repeatAfterMs: number
  /** Who the peer at the other end is, by its certificate. */
  readonly place: (link: Link) => PeerPlace
  /** Our number for the blob on a link. */
  readonly channel: (link: Link) => number
  readonly upload: (link: Link, job: UploadJob) => boolean
  /** A peer has left: what it asked for is not sent to it any more. */
  readonly dropUploads: (link: Link) => void
  readonly cancelUpload: (link: Link, channel: number, indexes: readonly number[]) => void
  /** Whether a peer that asks for it may be sent so many bytes that are no payload. */
  readonly mayAnswer: (link: Link, bytes: number) => boolean
  readonly addressesOf: (peerId: string) => readonly string[]
  /** Peers that the one at the other end knows of. */
  readonly learned: (link: Link, peers: readonly PeerAddress[]) => void
}
