import type { ByteRange } from '../byte-range.ts'
import { RegistryUnreachableError } from './registry-unreachable.ts'
import { backoffMs, pause } from './retry.ts'

/** An answer with bytes of a blob. */
export interface OpenedBlob {
  /** Bytes of the whole blob. */
  readonly size: number
  /** Which of them `body` should give. */
  readonly range: ByteRange
  readonly body: AsyncIterable<Uint8Array>
  readonly etag?: string | undefined
}

/** How a body goes on when it breaks. */
export interface ResumeInit {
  readonly host: string
  /** Asks for a part of the same blob. */
  readonly open: (range: ByteRange) => Promise<OpenedBlob | undefined>
  /** Tries in a row that may bring nothing. */
  readonly attempts: number
  readonly random: () => number
  readonly signal: AbortSignal | undefined
}

/**
 * Gives exactly the bytes of `first.range`, over as many answers as it takes. The end of an answer is no proof that it
 * was whole: only the number of bytes is.
 *
 * @throws RegistryUnreachableError when nothing more comes, or the blob is not the same any more
 */
export async function* resumingBody(first: OpenedBlob, init: ResumeInit): AsyncGenerator<Uint8Array> {
  const { size, range } = first
  let position = range.start
  let opened = first
  for (let failures = 0; ; ) {
    try {
      for await (const bytes of opened.body) {
        const wanted = bytes.subarray(0, range.end - position)
        position += wanted.length
        if (wanted.length > 0) failures = 0
        yield wanted
      }
      if (position === range.end) return
      throw new RegistryUnreachableError(init.host, `the answer ended ${range.end - position} bytes too early`)
    } catch (error) {
      init.signal?.throwIfAborted()
      if (++failures >= init.attempts) throw error
      await pause(backoffMs(failures, init.random), init.signal)
      const again = await init.open({ start: position, end: range.end })
      if (again === undefined || again.size !== size || again.range.start !== position) {
        throw new RegistryUnreachableError(init.host, 'the blob changed while it was read', { cause: error })
      }
      opened = again
    }
  }
}

/** Drops the first `length` bytes of a body. */
export async function* skipBytes(body: AsyncIterable<Uint8Array>, length: number): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const bytes of body) {
    const dropped = Math.min(left, bytes.length)
    left -= dropped
    if (dropped < bytes.length) yield bytes.subarray(dropped)
  }
}

/** An entity tag that names bytes and not only what they mean. */
export function strongTag(etag: string | undefined): string | undefined {
  return etag !== undefined && /^"[^"]{1,200}"$/.test(etag) ? etag : undefined
}
