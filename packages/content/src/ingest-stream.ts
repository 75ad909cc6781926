import type { FileHandle } from 'node:fs/promises'
import { OciError } from '@shoal/oci'
import type { ByteReader } from './byte-reader.ts'
import { writeFully } from './files.ts'

/** Takes bytes as they pass. */
export interface ByteTaker {
  update(bytes: Uint8Array): unknown
}

/**
 * Fill two buffers in turn, as far as possible. While one is used, the other is filled. What comes before an error passes.
 *
 * @param left bytes that may still come
 * @throws OciError `SIZE_INVALID` when more of them come, of which none pass
 */
export async function* filled(
  reader: ByteReader,
  buffers: readonly [Buffer, Buffer],
  left: number
): AsyncGenerator<Uint8Array, void, void> {
  let [current, next] = buffers
  let room = left
  for (;;) {
    const length = await reader.fill(room === 0 ? current.subarray(0, 1) : current.subarray(0, room))
    if (length === 0) return
    if (room === 0) throw new OciError('SIZE_INVALID', 'more bytes came than were announced')
    room -= length
    yield current.subarray(0, length)
    ;[current, next] = [next, current]
  }
}

/** Where bytes go that are taken in. */
export interface WriteTarget {
  readonly file: FileHandle
  /** For messages. */
  readonly name: string
  /** Called with each run of bytes while it is written. */
  readonly takers: readonly ByteTaker[]
  /** Where the first byte goes. */
  readonly position: number
  /** So many bytes more are in the file. */
  readonly onWritten: (bytes: number) => void
  /** A write failed: the takers had more than the file has. */
  readonly onBroken: () => void
}

/**
 * Write a stream to a file and hash it meanwhile: the write of a buffer runs in the background during its hashing and
 * the filling of the next one. A buffer is done with when the one after the next is asked for, or when this is over.
 *
 * @throws StoreFullError, or what the source throws; all that came before is written then.
 */
export async function writeHashed(source: AsyncIterable<Uint8Array>, target: WriteTarget): Promise<void> {
  let position = target.position
  let failure: { readonly error: unknown } | undefined
  let writing: Promise<void> | undefined
  try {
    for await (const bytes of source) {
      await writing
      if (failure !== undefined) break
      // The failure is kept for the next turn: nobody waits for this promise yet.
      writing = writeFully(target.file, bytes, position, target.name).then(
        () => target.onWritten(bytes.length),
        (error: unknown) => {
          failure = { error }
          target.onBroken()
        }
      )
      for (const taker of target.takers) taker.update(bytes)
      position += bytes.length
    }
  } finally {
    await writing
  }
  if (failure !== undefined) throw failure.error
}
