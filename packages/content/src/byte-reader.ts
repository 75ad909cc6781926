/**
 * Bytes in order that are copied to where the reader wants them: an HTTP body without a promise for each of its small
 * pieces, which costs more than to hash them. Whoever has no use for that reads it piece by piece.
 */
export interface ByteReader extends AsyncIterable<Uint8Array> {
  /**
   * Fill `target` from its start on. One call at a time.
   *
   * @returns fewer bytes than it has only at the end, and before an error, which the next call throws; 0 at the end
   */
  fill(target: Uint8Array): Promise<number>
  /**
   * Take nothing more. A `fill` under way ends, with what it had or without, and touches its target no more.
   *
   * @param reason what further calls of `fill` throw
   */
  close(reason?: unknown): void
}

/** Read `source` by filling buffers; one that can do that itself is returned as it is. */
export function byteReader(source: AsyncIterable<Uint8Array>): ByteReader {
  return isByteReader(source) ? source : new PieceReader(source)
}

function isByteReader(source: AsyncIterable<Uint8Array>): source is ByteReader {
  return 'fill' in source && 'close' in source
}

const NOTHING = new Uint8Array()

/** Fills buffers with pieces of any size. A source may reuse a piece once it is asked for the next one. */
class PieceReader implements ByteReader {
  readonly #source: AsyncIterable<Uint8Array>
  #iterator: AsyncIterator<Uint8Array, unknown> | undefined
  #rest: Uint8Array = NOTHING
  #ended = false
  #failure: { readonly error: unknown } | undefined
  #interrupt: ((reason: unknown) => void) | undefined

  constructor(source: AsyncIterable<Uint8Array>) {
    this.#source = source
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, unknown> {
    this.#iterator ??= this.#source[Symbol.asyncIterator]()
    return this.#iterator
  }

  async fill(target: Uint8Array): Promise<number> {
    let filled = 0
    try {
      while (filled < target.length) {
        if (this.#failure !== undefined) throw this.#failure.error
        if (this.#rest.length === 0 && !(await this.#next())) break
        const length = Math.min(this.#rest.length, target.length - filled)
        target.set(this.#rest.subarray(0, length), filled)
        this.#rest = this.#rest.subarray(length)
        filled += length
      }
    } catch (error) {
      this.#failure ??= { error }
      if (filled === 0) throw error
    }
    return filled
  }

  close(reason?: unknown): void {
    this.#rest = NOTHING
    this.#failure ??= { error: reason }
    this.#interrupt?.(reason)
    if (this.#ended) return
    this.#ended = true
    // Not waited for: a source that gives no sign of life does not end either.
    void Promise.allSettled([this.#iterator?.return?.()])
  }

  /** @returns whether there was one more piece */
  async #next(): Promise<boolean> {
    if (this.#ended) return false
    const iterator = this[Symbol.asyncIterator]()
    // A promise of its own for each step: one that lives as long as the stream would collect a reaction per step.
    const next = await new Promise<IteratorResult<Uint8Array, unknown>>((resolve, fail) => {
      this.#interrupt = fail
      iterator.next().then(resolve, (error: unknown) => {
        this.#ended = true
        fail(error)
      })
    })
    this.#interrupt = undefined
    if (next.done === true) {
      this.#ended = true
      return false
    }
    this.#rest = next.value
    return true
  }
}
