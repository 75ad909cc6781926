/** So many bytes are progress; what comes more slowly than this in a second is as good as nothing. */
export const MIN_PROGRESS_BYTES = 64 * 1024

/** When a download last got on, ms: what it may ask, and of whom, depends on how long nothing has come. */
export class ProgressTimes {
  /** When chunks could be asked for first. */
  startedAt: number
  /** When something useful came, from whomever. */
  at: number
  /** When something useful came from peers. */
  fromPeersAt: number
  /** The same without agents of other zones. */
  fromHomeAt: number
  /** Payload that has come from peers since it was last taken for progress. */
  #unnotedBytes = 0

  constructor(now: number) {
    this.startedAt = now
    this.at = now
    this.fromPeersAt = now
    this.fromHomeAt = now
  }

  /** Chunks can be asked for from now on. */
  start(now: number): void {
    this.startedAt = now
    this.at = now
    this.fromHomeAt = now
  }

  /** That nothing has come until now is nobody's fault. */
  excuse(now: number): void {
    this.at = now
    this.fromPeersAt = now
    this.fromHomeAt = now
  }

  /**
   * A peer sent something useful. One that sends a byte now and then does not count as one that serves.
   *
   * @param isHome whether it is of our zone, or the registry
   * @param needed bytes that are progress where fewer than {@link MIN_PROGRESS_BYTES} are all there are
   */
  arrived(now: number, bytes: number, isHome: boolean, needed: number): void {
    if (isHome) this.fromHomeAt = now
    this.#unnotedBytes += bytes
    if (this.#unnotedBytes < Math.min(MIN_PROGRESS_BYTES, needed)) return
    this.#unnotedBytes = 0
    this.fromPeersAt = now
    this.at = now
  }
}
