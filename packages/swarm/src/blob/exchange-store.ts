import type { BlobSource, ChunkBuffers, ContentStore } from '@shoal/content'
import type { Digest } from '@shoal/oci'

/** What an exchange needs of the store. The simulator has one without bytes. */
export interface ExchangeStore extends Pick<ContentStore, 'partial' | 'findPartial' | 'chunkMap' | 'stat'> {
  /** Memory for chunks. */
  readonly buffers: Pick<ChunkBuffers, 'take'>
  /** Opens a whole blob; undefined when it is not here. */
  open(digest: Digest): Promise<BlobSource | undefined>
}
