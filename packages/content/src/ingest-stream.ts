import type { FileHandle } from 'node:fs/promises'
import { writeFully } from './files.ts'

/** Takes bytes as they pass. */
export interface ByteTaker {
  update(bytes: Uint8Array): unknown
}

/**
 * Pass a stream on until `signal` aborts, even while the source gives no sign of life.
 *
 * @throws the signal's reason.
 */
export async function* untilAbortedStream(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal
): AsyncGenerator<Uint8Array, void, void> {
  const iterator = source[Symbol.asyncIterator]()
  let reject: ((reason: unknown) => void) | undefined
  const abort = (): void => reject?.(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  let ended = false
  try {
    for (;;) {
      signal.throwIfAborted()
      // A promise of its own for each step: one that lives as long as the stream would collect a reaction per step.
      const next = await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, fail) => {
        reject = fail
        iterator.next().then(resolve, (error: unknown) => {
          ended = true
          fail(error)
        })
      })
      ended = next.done === true
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // Not waited for: a source that gives no sign of life does not end either.
    if (!ended) void Promise.allSettled([iterator.return?.()])
  }
}

/**
 * Collect pieces of any size into two buffers in turn, filled as far as possible. While one is used, the other is
 * filled. When the source throws, what came before still passes.
 */
export async function* collected(
  source: AsyncIterable<Uint8Array>,
  buffers: readonly [Buffer, Buffer]
): AsyncGenerator<Uint8Array, void, void> {
  let current: Buffer = buffers[0]
  let filled = 0
  let failure: { readonly error: unknown } | undefined
  try {
    for await (const piece of source) {
      for (let at = 0; at < piece.length; ) {
        const length = Math.min(piece.length - at, current.length - filled)
        current.set(piece.subarray(at, at + length), filled)
        filled += length
        at += length
        if (filled === current.length) {
          yield current
          current = current === buffers[0] ? buffers[1] : buffers[0]
          filled = 0
        }
      }
    }
  } catch (error) {
    failure = { error }
  }
  if (filled > 0) yield current.subarray(0, filled)
  if (failure !== undefined) throw failure.error
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
