import type { Digest } from '@shoal/oci'

/** A download to which nothing has come for this long fails. What it has is kept on disk. */
export const STALLED_MS = 30_000
/** The same where the size itself is only a peer's word. */
export const UNPROVEN_STALLED_MS = 4_000

/** Nothing came for too long. */
export class DownloadStalledError extends Error {
  readonly code = 'DOWNLOAD_STALLED'

  constructor(digest: Digest) {
    super(`no chunk of ${digest} came for ${STALLED_MS / 1000} s; what has come is kept and used by the next try`)
    this.name = 'DownloadStalledError'
  }
}

/** The size of a small blob, which is nowhere signed, was a peer's word, and nothing came that fits it. */
export class UnprovenSizeError extends Error {
  readonly code = 'UNPROVEN_SIZE'

  constructor(digest: Digest) {
    super(`nothing came that fits what a peer said of the size of ${digest}; the next try asks others`)
    this.name = 'UnprovenSizeError'
  }
}
