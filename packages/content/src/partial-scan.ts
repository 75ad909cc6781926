import type { FileHandle } from 'node:fs/promises'
import { Bitfield } from './bitfield.ts'
import { chunkDigestOf } from './chunk-digest.ts'
import type { ChunkMap } from './chunk-map.ts'
import { chunkCount, chunkDigest, chunkLength, chunkOffset } from './chunk-map.ts'
import { readFully } from './files.ts'

/** Chunks read and hashed at the same time; each needs a buffer of one chunk. */
const SCAN_CONCURRENCY = 3

/**
 * Which chunks a partial file really holds. What is held is never written down anywhere: every chunk is hashed again,
 * so that a chunk that was cut off by a crash, or damaged, is fetched again, and none that is right is lost.
 *
 * @param size of the file, bytes
 */
export async function heldChunks(file: FileHandle, size: number, map: ChunkMap): Promise<Bitfield> {
  const held = new Bitfield(chunkCount(map))
  if (size === 0) return held
  const chunks = chunksWithin(map, size)
  const zeros = new ZeroDigests()
  const scan = async (): Promise<void> => {
    const buffer = Buffer.allocUnsafeSlow(Math.min(map.chunkSize, map.size))
    for (const index of chunks) {
      const bytes = buffer.subarray(0, chunkLength(map, index))
      if ((await readFully(file, bytes, chunkOffset(map, index))) < bytes.length) continue
      const digest = isZero(bytes) ? await zeros.of(bytes) : await chunkDigestOf(bytes)
      if (Buffer.compare(digest, chunkDigest(map, index)) === 0) held.set(index)
    }
  }
  await Promise.all(Array.from({ length: Math.min(SCAN_CONCURRENCY, held.length) }, scan))
  return held
}

/** The chunks that end within `size` bytes. All scans share one generator, so that each chunk is taken once. */
function* chunksWithin(map: ChunkMap, size: number): Generator<number, void, void> {
  for (let index = 0; index < chunkCount(map); index++) {
    if (chunkOffset(map, index) + chunkLength(map, index) > size) return
    yield index
  }
}

/** The digests of zeros by length. What was never written reads as zeros, and there may be gigabytes of it. */
class ZeroDigests {
  readonly #known = new Map<number, Promise<Uint8Array>>()

  of(zeros: Uint8Array): Promise<Uint8Array> {
    const known = this.#known.get(zeros.length) ?? chunkDigestOf(zeros)
    this.#known.set(zeros.length, known)
    return known
  }
}

/** Whether there are only zeros; ten times faster than hashing. */
function isZero(bytes: Buffer): boolean {
  return bytes[0] === 0 && bytes.subarray(1).equals(bytes.subarray(0, -1))
}
