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

/** Lets so many requests through at a time, in the order in which they came; those that are urgent before all others. */
export class RequestGate {
  readonly #max: number
  readonly #queueMax: number
  readonly #urgent = new Set<() => void>()
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
    return this.#urgent.size + this.#queue.size
  }

  /**
   * Wait for one's turn.
   *
   * @param options `urgent` goes before all who are not, however long they have waited
   * @returns what ends it; may be called more than once
   * @throws OciError `TOOMANYREQUESTS` with status 503 when too many wait already, or the signal's reason
   */
  async enter(signal?: AbortSignal, options: { readonly urgent?: boolean } = {}): Promise<() => void> {
    signal?.throwIfAborted()
    if (this.#running < this.#max) {
      this.#running++
      return this.#leaver()
    }
    if (this.waiting >= this.#queueMax) {
      throw new OciError('TOOMANYREQUESTS', `${this.#queueMax} requests wait for this upstream: try again later`, {
        status: 503
      })
    }
    const queue = options.urgent === true ? this.#urgent : this.#queue
    await new Promise<void>((resolve, reject) => {
      const abort = (): void => {
        queue.delete(turn)
        reject(signal?.reason)
      }
      const turn = (): void => {
        signal?.removeEventListener('abort', abort)
        resolve()
      }
      queue.add(turn)
      signal?.addEventListener('abort', abort, { once: true })
    })
    return this.#leaver()
  }

  #leaver(): () => void {
    let isIn = true
    return () => {
      if (!isIn) return
      isIn = false
      const queue = this.#urgent.size > 0 ? this.#urgent : this.#queue
      const [next] = queue
      if (next === undefined) {
        this.#running--
        return
      }
      // The place goes on to the next one without being free in between.
      queue.delete(next)
      next()
    }
  }
}
