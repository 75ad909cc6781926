import type { Digest, DigestAlgorithm } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import type { BlobInfo } from './blob-info.ts'

/** How an ingest is finished. */
export interface FinishOptions extends AbortOptions {
  /** Called once the digest was found to be right, before the blob is durable: the bytes can be read, and vouched for. */
  readonly onProven?: () => void
}

/** A name for an ingest that outlives the process. */
const INGEST_ID = /^[a-z0-9][a-z0-9-]{7,63}$/

/** Whether an ingest may have this name: 8 to 64 of a-z 0-9 and -, one that is no number included. */
export function isIngestId(name: string): boolean {
  return INGEST_ID.test(name) && !/^\d+$/.test(name)
}

/**
 * A blob on its way into the store from a source that sends it in order, in one piece or in several. It is hashed and
 * cut into chunks as it comes. Takes one call at a time.
 */
export interface Ingest {
  /**
   * Bytes that are in the file, and survive the end of the process. After a source broke or the disk was full, this is
   * where the next source goes on.
   */
  readonly received: number
  /** Whether a call is under way. */
  readonly busy: boolean
  /**
   * Take in all of `source`, and say how many bytes there are now. The source may reuse a buffer once it is asked for
   * the next one; a `ByteReader` fills the buffers itself. When the source throws, the signal aborts or the disk is full, what was written is kept and the
   * error is passed on.
   *
   * @throws OciError `SIZE_INVALID` when there are more bytes than announced, StoreFullError, IngestBusyError,
   * StoreClosedError.
   */
  append(source: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<number>
  /**
   * Drop all but the first `length` bytes; more than there are changes nothing. What stays is read back and hashed once.
   *
   * @throws IngestBusyError, StoreClosedError
   */
  rewind(length: number): Promise<void>
  /**
   * Read into `target` from `position` on what came so far, and say how many bytes it was; 0 at the end of it. May be
   * called while bytes come. Nothing vouches for them before `finish`.
   *
   * @throws StoreClosedError when the ingest is over.
   */
  read(target: Uint8Array, position: number): Promise<number>
  /**
   * Make the blob whole and durable under the digest that it must have. The ingest is over afterwards, also when it
   * fails, and leaves nothing then; only on a full disk it stays, and this can be called again.
   *
   * @throws OciError `DIGEST_INVALID` when the bytes have another digest, `SIZE_INVALID` when there are fewer than
   * announced, StoreFullError, IngestBusyError, StoreClosedError.
   */
  finish(expected: Digest, options?: FinishOptions): Promise<BlobInfo>
  /** Drop everything. May be called at any time and more than once. */
  abort(): Promise<void>
  /** Close, and keep what came for a later `ingest` with the same `id`; without an `id` this is `abort`. */
  suspend(): Promise<void>
}

/** An ingest that was begun under an `id`, and is not open. */
export interface PendingIngest {
  readonly id: string
  /** Bytes that came so far. */
  readonly received: number
  /** When the last of them came, milliseconds since 1970. */
  readonly usedAt: number
}

/** What is known of a blob before it comes. */
export interface IngestOptions {
  /**
   * Its name, of {@link isIngestId}'s form. What came under this name before, in this process or another, is there
   * already; it is read back and hashed once. Without a name nothing outlives the process.
   */
  readonly id?: string
  /** The blob's size in bytes, where it was announced. Cutting into chunks costs less hashing then. */
  readonly size?: number
  /** The algorithm of the digest that `finish` will be given; with another one the bytes are read a second time. @default 'sha256' */
  readonly algorithm?: DigestAlgorithm
  /** Told how many bytes there are, whenever more of them are in the file. */
  readonly onReceived?: (received: number) => void
}
