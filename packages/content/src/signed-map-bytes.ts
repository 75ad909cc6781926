import type { SignedChunkMap } from './chunk-map.ts'
import { assembleChunkMap, decodeSegment, SEGMENT_MAX_BYTES } from './chunk-map-segment.ts'

const LENGTH_BYTES = 4

/** Signed segments in one piece: each as u32 length, big endian, and its bytes. */
export function encodeSegments(segments: readonly Uint8Array[]): Buffer {
  return Buffer.concat(
    segments.flatMap((segment) => {
      const length = Buffer.alloc(LENGTH_BYTES)
      length.writeUInt32BE(segment.length)
      return [length, segment]
    })
  )
}

/** The chunk map in such bytes. Whether it was signed by the right one is not looked at. @throws ChunkMapError */
export function decodeSignedMap(encoded: Uint8Array): SignedChunkMap {
  const bytes = Buffer.from(encoded.buffer, encoded.byteOffset, encoded.byteLength)
  const segments: Uint8Array[] = []
  let at = 0
  while (at + LENGTH_BYTES <= bytes.length) {
    const length = Math.min(bytes.readUInt32BE(at), SEGMENT_MAX_BYTES)
    segments.push(bytes.subarray(at + LENGTH_BYTES, at + LENGTH_BYTES + length))
    at += LENGTH_BYTES + length
  }
  return { map: assembleChunkMap(segments.map(decodeSegment)), segments }
}
