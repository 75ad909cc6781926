import {
  type Bitfield,
  type BlobSource,
  type ChunkMap,
  chunkLength,
  chunkOffset,
  type PartialBlob
} from '@shoal/content'

/** What this node holds of a blob, as its uploads see it. */
export interface Holding {
  readonly map: ChunkMap
  /** Signed segments of the map; empty when the map needs no signature. */
  readonly segments: readonly Uint8Array[]
  /** Live: grows while the blob is downloaded. */
  readonly have: Bitfield
  /** Reads chunk `index`, which must be held. */
  readChunk(index: number): Promise<Uint8Array>
  close(): Promise<void>
}

/** A whole blob as a holding. */
export function holdWhole(source: BlobSource, map: ChunkMap, segments: readonly Uint8Array[], have: Bitfield): Holding {
  return {
    map,
    segments,
    have,
    async readChunk(index) {
      const chunk = Buffer.allocUnsafeSlow(chunkLength(map, index))
      for (let at = 0; at < chunk.length; ) {
        const read = await source.read(chunk.subarray(at), chunkOffset(map, index) + at)
        if (read === 0) throw new Error(`blob ${map.digest} is shorter on disk than it should be`)
        at += read
      }
      return chunk
    },
    close: () => source.close()
  }
}

/** A blob that is still coming in as a holding. It is closed by its download. */
export function holdPartial(blob: PartialBlob, segments: readonly Uint8Array[]): Holding {
  return {
    map: blob.map,
    segments,
    have: blob.have,
    async readChunk(index) {
      const chunk = Buffer.allocUnsafeSlow(chunkLength(blob.map, index))
      await blob.readChunk(index, chunk)
      return chunk
    },
    close: () => Promise.resolve()
  }
}
