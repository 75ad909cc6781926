import { ChunkBuffers } from './chunk-buffers.ts'
import { RecentChunks } from './recent-chunks.ts'

/** Memory that nobody has used for this long, and at most twice as long, is given back. */
export const CHUNK_MEMORY_IDLE_MS = 10_000

/** What the chunk memory of a store may be told. */
export interface ChunkMemoryInit {
  /** Bound of the recent chunks, bytes. @default RECENT_CHUNKS_BYTES, 32 MiB */
  readonly recentBytes?: number | undefined
}

/** The memory of a store for chunks on their way. A store in which no chunk has moved for a while keeps none. */
export class ChunkMemory {
  readonly buffers = new ChunkBuffers({ onUse: () => this.#used() })
  readonly recent: RecentChunks
  #timer: NodeJS.Timeout | undefined
  #isUsed = false
  #closed = false

  constructor(init?: ChunkMemoryInit) {
    this.recent = new RecentChunks(init?.recentBytes)
  }

  /** Give back all that nobody else holds, and keep no timer. The buffers go on working. */
  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    this.#giveBack()
  }

  /** Called for every chunk: it only leaves a mark, and the timer looks at it. */
  #used(): void {
    this.#isUsed = true
    if (this.#timer === undefined && !this.#closed) this.#wait()
  }

  #wait(): void {
    this.#isUsed = false
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (this.#isUsed) this.#wait()
      else this.#giveBack()
    }, CHUNK_MEMORY_IDLE_MS).unref()
  }

  #giveBack(): void {
    this.recent.clear()
    this.buffers.trim()
    if (this.#closed) return
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
