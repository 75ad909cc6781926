import { type Bitfield, type BlobSource, type ChunkMap, chunkOffset } from '@shoal/content'

/** What this node holds of a blob, as its uploads see it. */
export interface Holding {
  readonly map: ChunkMap
  /** Signed segments of the map; empty when the map needs no signature. */
  readonly segments: readonly Uint8Array[]
  /** Live: grows while the blob is downloaded. */
  readonly have: Bitfield
  /** Reads from `offset` on inside chunk `index`, which must be held, as much as `target` takes. */
  read(index: number, offset: number, target: Uint8Array): Promise<void>
  close(): Promise<void>
}

/** A blob, whole or still coming in, as a holding. The source is closed with it. */
export function hold(
  source: Pick<BlobSource, 'read' | 'close'>,
  map: ChunkMap,
  segments: readonly Uint8Array[],
  have: Bitfield
): Holding {
  return {
    map,
    segments,
    have,
    async read(index, offset, target) {
      const start = chunkOffset(map, index) + offset
      for (let at = 0; at < target.length; ) {
        const read = await source.read(target.subarray(at), start + at)
        if (read === 0) throw new Error(`blob ${map.digest} is shorter on disk than it should be`)
        at += read
      }
    },
    close: () => source.close()
  }
}
