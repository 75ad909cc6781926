import type { Digest, DigestAlgorithm } from '@shoal/oci'
import type { AbortOptions } from './abort.ts'
import type { BlobInfo } from './blob-info.ts'

/**
 * A blob on its way into the store from a source that sends it in order, in one piece or in several. It is hashed and
 * cut into chunks as it comes. Takes one call at a time.
 */
export interface Ingest {
  /** Bytes taken in so far. After a source broke, this is where the next one goes on. */
  readonly received: number
  /** Whether a call is under way. */
  readonly busy: boolean
  /**
   * Take in all of `source`, and say how many bytes there are now. The source may reuse a buffer once it is asked for
   * the next one. When the source throws or the signal aborts, what had come is kept and the error is passed on.
   *
   * @throws OciError `SIZE_INVALID` when there are more bytes than announced, StoreFullError, IngestBusyError,
   * StoreClosedError.
   */
  append(source: AsyncIterable<Uint8Array>, options?: AbortOptions): Promise<number>
  /**
   * Make the blob whole and durable under the digest that it must have. The ingest is over afterwards, also when it
   * fails, and leaves nothing then.
   *
   * @throws OciError `DIGEST_INVALID` when the bytes have another digest, `SIZE_INVALID` when there are fewer than
   * announced, StoreFullError, IngestBusyError, StoreClosedError.
   */
  finish(expected: Digest, options?: AbortOptions): Promise<BlobInfo>
  /** Drop everything. May be called at any time and more than once. */
  abort(): Promise<void>
}

/** What is known of a blob before it comes. */
export interface IngestOptions {
  /** The blob's size in bytes, where it was announced. Cutting into chunks costs less hashing then. */
  readonly size?: number
  /** The algorithm of the digest that `finish` will be given; with another one the bytes are read a second time. @default 'sha256' */
  readonly algorithm?: DigestAlgorithm
}
