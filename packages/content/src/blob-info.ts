import type { Digest } from '@shoal/oci'

/** A whole blob in the store. */
export interface BlobInfo {
  readonly digest: Digest
  /** Bytes. */
  readonly size: number
}
