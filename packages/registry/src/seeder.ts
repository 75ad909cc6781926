import type { Digest } from '@shoal/oci'

/** Whoever tells the mesh what is here to be had. */
export interface Seeder {
  /** A whole blob is in the store and durable. */
  announce(digest: Digest): void
}
