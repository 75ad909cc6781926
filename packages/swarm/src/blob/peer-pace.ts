/** Requests that a peer is asked to hold before its rate is known. */
export const FIRST_QUEUE_CHUNKS = 4
const MIN_QUEUE_CHUNKS = 1
const MAX_QUEUE_CHUNKS = 64
/**
 * A queue should keep a peer busy for this long. What waits at one peer is not asked of others, who may have it sooner: a long queue
 * leaves them idle.
 */
const QUEUE_SECONDS = 0.25
/**
 * The same for asks that leave the choice to a seed. It chooses when it sends, so a short queue costs nothing, and a
 * long one keeps others waiting at the end for chunks that are still in it.
 */
const CHOICE_SECONDS = 0.1
const MAX_CHOICE_CHUNKS = 16
/** A peer that others outran so often in a row is asked for one chunk at a time, until it has sent one. */
export const OUTRUN_LIMIT = 2
/** Weight of a new measurement. */
const SMOOTHING = 0.25
/** In the endgame a chunk is never late before this, and not before the mean and half a deviation. */
export const MIN_ENDGAME_LATENESS_MS = 300
const ENDGAME_DEVIATIONS = 0.5
/**
 * While there is something else to ask for, a chunk is late when hardly any other took so long: every chunk asked for
 * twice is paid for twice. Four deviations, as TCP waits before it sends again (RFC 6298).
 */
export const MIN_LATENESS_MS = 1_000
const DEVIATIONS = 4

/**
 * How fast one peer answers: from it follow how many chunks to ask it for at once and when a chunk is late. Pure:
 * times are handed in, in milliseconds.
 */
export class PeerPace {
  #bytesPerSecond: number | undefined
  #meanMs = 0
  #deviationMs = 0
  #samples = 0
  #outrun = 0

  /** Smoothed goodput; undefined before the first chunk. */
  get bytesPerSecond(): number | undefined {
    return this.#bytesPerSecond
  }

  /** A chunk came `elapsedMs` after it was asked for, `gapMs` after the previous one or the ask, whichever is later. */
  arrived(bytes: number, elapsedMs: number, gapMs: number): void {
    const rate = (bytes * 1000) / Math.max(gapMs, 0.1)
    this.#bytesPerSecond =
      this.#bytesPerSecond === undefined ? rate : this.#bytesPerSecond + SMOOTHING * (rate - this.#bytesPerSecond)
    const error = elapsedMs - this.#meanMs
    this.#meanMs += this.#samples === 0 ? error : SMOOTHING * error
    this.#deviationMs += this.#samples === 0 ? elapsedMs / 2 : SMOOTHING * (Math.abs(error) - this.#deviationMs)
    this.#samples++
    this.#outrun = 0
  }

  /** Another peer was faster with a chunk that this one was asked for before. */
  outrun(): void {
    this.#outrun++
  }

  /** How many chunks of `chunkSize` bytes may be asked for and not answered. */
  queueLength(chunkSize: number): number {
    return this.#outrun >= OUTRUN_LIMIT ? 1 : this.#chunksIn(QUEUE_SECONDS, chunkSize)
  }

  /** How long it takes to send so many bytes, as far as is known; 0 before the first chunk. */
  secondsFor(bytes: number): number {
    return this.#bytesPerSecond === undefined ? 0 : bytes / this.#bytesPerSecond
  }

  /** How many chunks of its own choice a seed may be asked for and not have begun to send. */
  choiceLength(chunkSize: number): number {
    return Math.min(MAX_CHOICE_CHUNKS, this.#chunksIn(CHOICE_SECONDS, chunkSize))
  }

  #chunksIn(seconds: number, chunkSize: number): number {
    if (this.#bytesPerSecond === undefined) return FIRST_QUEUE_CHUNKS
    const wanted = Math.ceil((this.#bytesPerSecond * seconds) / chunkSize)
    return Math.min(MAX_QUEUE_CHUNKS, Math.max(MIN_QUEUE_CHUNKS, wanted))
  }

  /** After how long a chunk that was asked for counts as late; undefined before the first answer. */
  latenessMs(endgame: boolean): number | undefined {
    if (this.#samples === 0) return undefined
    if (endgame) return Math.max(MIN_ENDGAME_LATENESS_MS, this.#meanMs + ENDGAME_DEVIATIONS * this.#deviationMs)
    return Math.max(MIN_LATENESS_MS, this.#meanMs + DEVIATIONS * this.#deviationMs)
  }
}
