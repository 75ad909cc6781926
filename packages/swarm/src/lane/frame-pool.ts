import { CHUNK_FRAME_HEADER_BYTES, MAX_PIECE_BYTES } from '../exchange/frame.ts'

/** Memory of the largest CHUNK frame. */
const FRAME_BYTES = CHUNK_FRAME_HEADER_BYTES + MAX_PIECE_BYTES
/** Frames that are kept for the next use: 8 MiB. */
export const KEPT_FRAMES = 64

/** Memory for frames on their way out, used again and again. */
export class FramePool {
  readonly #free: Buffer[] = []

  /** Memory for a frame of up to the largest size. */
  take(): Buffer {
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(FRAME_BYTES)
  }

  /** Nobody uses that memory any more. */
  give(frame: Buffer): void {
    if (this.#free.length < KEPT_FRAMES) this.#free.push(frame)
  }
}
