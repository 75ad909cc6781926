import { OciError } from '@shoal/oci'

/** Requests that wait for their turn; one more is refused. */
export const GATE_QUEUE_MAX = 1024

/** What a gate is made with. */
export interface RequestGateInit {
  /** Requests at a time. */
  readonly max: number
  /** @default GATE_QUEUE_MAX */
  readonly queueMax?: number
}

/** Lets so many requests through at a time, in the order in which they came. */
export class RequestGate {
  readonly #max: number
  readonly #queueMax: number
  readonly #queue = new Set<() => void>()
  #running = 0

  constructor({ max, queueMax = GATE_QUEUE_MAX }: RequestGateInit) {
    this.#max = max
    this.#queueMax = queueMax
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#queue.size
  }

  /**
   * Wait for one's turn.
   *
   * @returns what ends it; may be called more than once
   * @throws OciError `TOOMANYREQUESTS` with status 503 when too many wait already, or the signal's reason
   */
  async enter(signal?: AbortSignal): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#running < this.#max) {
      this.#running++
      return this.#leaver()
    }
    if (this.#queue.size >= this.#queueMax) {
      throw new OciError('TOOMANYREQUESTS', `${this.#queueMax} requests wait for this upstream: try again later`, {
        status: 503
      })
    }
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        this.#queue.delete(turn)
        reject(signal?.reason)
      }
      const turn = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      this.#queue.add(turn)
      signal?.addEventListener('abort', abort, { once: true })
    })
    return this.#leaver()
  }

  #leaver(): () => void {
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const [next] = this.#queue
      if (next === undefined) {
        this.#running--
        return
      }
      // The place goes on to the next one without being free in between.
      this.#queue.delete(next)
      next()
    }
  }
}
