import type { Descriptor } from '@shoal/oci'
import { verified } from './verified-stream.ts'

/** Where pulled blobs go. */
export interface BlobSink {
  /** Whether the blob is there, whole and right. */
  has(blob: Descriptor, options?: { signal?: AbortSignal }): Promise<boolean>
  /**
   * Takes a blob. After a failure nothing of it is there.
   *
   * @param onBytes told of every piece that has been taken
   */
  write(blob: Descriptor, body: AsyncIterable<Uint8Array>, onBytes: (bytes: number) => void): Promise<void>
}

/** A sink that checks what it gets and keeps nothing: for pulls that only fill the agent's store. */
export const discardingSink: BlobSink = {
  has: async () => false,
  async write(blob, body, onBytes) {
    for await (const bytes of verified(blob, body)) onBytes(bytes.length)
  }
}
