/**
 * A peer is told of freed window at the latest when it is this much, a quarter of the 256 KiB that a stream begins with: so
 * it never runs out of window for want of an update.
 */
export const WINDOW_UPDATE_BYTES = 64 * 1024
/** Streams with freed window that the peer was not told of; when there are more, all are told. */
export const MAX_SPARED_STREAMS = 1_024

const HEADER_BYTES = 12
const TYPE_WINDOW_UPDATE = 1
const FLAGS_END = 0x4 | 0x8

/** A frame as it goes out, header first. */
export interface SentFrame {
  subarray(start: number, end: number): Uint8Array
}

/** Saves up Yamux window updates among the frames that go out on one connection. See the specification of Yamux, "Framing". */
export class WindowUpdates {
  /** Freed window by stream, bytes. */
  readonly #spared = new Map<number, number>()

  /** @returns the frames to send in its place */
  pass<Frame extends SentFrame>(frame: Frame): (Frame | Uint8Array)[] {
    const header = frame.subarray(0, HEADER_BYTES)
    const view = new DataView(header.buffer, header.byteOffset, header.byteLength)
    const flags = view.getUint16(2)
    const stream = view.getUint32(4)
    if (view.getUint8(1) !== TYPE_WINDOW_UPDATE || flags !== 0) {
      if ((flags & FLAGS_END) !== 0) this.#spared.delete(stream)
      return [frame]
    }
    const bytes = (this.#spared.get(stream) ?? 0) + view.getUint32(8)
    if (bytes >= WINDOW_UPDATE_BYTES) {
      this.#spared.delete(stream)
      return [update(stream, bytes)]
    }
    this.#spared.set(stream, bytes)
    if (this.#spared.size <= MAX_SPARED_STREAMS) return []
    const all = [...this.#spared].map(([each, freed]) => update(each, freed))
    this.#spared.clear()
    return all
  }
}

function update(stream: number, bytes: number): Uint8Array {
  const frame = new Uint8Array(HEADER_BYTES)
  const view = new DataView(frame.buffer)
  view.setUint8(1, TYPE_WINDOW_UPDATE)
  view.setUint32(4, stream)
  view.setUint32(8, bytes)
  return frame
}
