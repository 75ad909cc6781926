import type { Lane, LaneHandler } from './lane.ts'

const HIGH_WATER_BYTES = 256 * 1024

/** How a pair of memory lanes behaves. */
export interface MemoryLaneInit {
  /** Called with a delivery to run later; `queueMicrotask` by default. A test may delay, reorder pairs or drop. */
  schedule?: (deliver: () => void) => void
}

class MemoryLane implements Lane {
  readonly kind = 'libp2p'
  queuedBytes = 0
  other: MemoryLane | undefined
  #handler: LaneHandler | undefined
  #early: Uint8Array[] = []
  #closed = false
  #waiting: { resolve: () => void; reject: (error: Error) => void }[] = []
  readonly #schedule: (deliver: () => void) => void

  constructor(init: MemoryLaneInit) {
    this.#schedule = init.schedule ?? queueMicrotask
  }

  attach(handler: LaneHandler): void {
    this.#handler = handler
    for (const bytes of this.#early.splice(0)) handler.onData(bytes)
    if (this.#closed) handler.onClose()
  }

  send(sent: Uint8Array): boolean {
    if (this.#closed) return true
    const bytes = sent.slice()
    this.queuedBytes += bytes.length
    this.#schedule(() => {
      this.queuedBytes -= bytes.length
      this.other?.receive(bytes)
      if (this.queuedBytes < HIGH_WATER_BYTES) for (const { resolve } of this.#waiting.splice(0)) resolve()
    })
    return this.queuedBytes < HIGH_WATER_BYTES
  }

  receive(bytes: Uint8Array): void {
    if (this.#closed) return
    if (this.#handler === undefined) this.#early.push(bytes)
    else this.#handler.onData(bytes)
  }

  drained(options?: { signal?: AbortSignal }): Promise<void> {
    options?.signal?.throwIfAborted()
    if (this.#closed) return Promise.reject(new Error('the connection to the peer is closed'))
    if (this.queuedBytes < HIGH_WATER_BYTES) return Promise.resolve()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#waiting.push({ resolve, reject })
    options?.signal?.addEventListener('abort', () => reject(options.signal?.reason), { once: true })
    return promise
  }

  close(error?: Error): void {
    if (this.#closed) return
    this.#end(error)
    this.#schedule(() => this.other?.closeFromPeer())
  }

  closeFromPeer(): void {
    if (!this.#closed) this.#end()
  }

  #end(error?: Error): void {
    this.#closed = true
    for (const { reject } of this.#waiting.splice(0)) reject(new Error('the connection to the peer closed'))
    this.#handler?.onClose(error)
  }
}

/** The memory twin of a connection: two lanes, what one sends the other receives. */
export function createMemoryLanes(init: MemoryLaneInit = {}): [Lane, Lane] {
  const a = new MemoryLane(init)
  const b = new MemoryLane(init)
  a.other = b
  b.other = a
  return [a, b]
}
