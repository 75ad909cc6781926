import { randomUUID } from 'node:crypto'
import { StoreFullError } from '@shoal/content'
import type { Logger } from '@shoal/swarm'
import type { Events } from '../events/events.ts'
import type { RegistryMetrics } from '../metrics.ts'
import { Collection, type CollectionInit } from './collection.ts'
import type { CollectionOptions, CollectionState } from './state.ts'

/** Where a collection is, is written down at most this often. */
export const CHECKPOINT_MS = 1000
/** Under which name it is kept. */
const NOTE = 'collection'

/** What garbage is collected with. */
export interface CollectorInit extends CollectionInit {
  readonly logger: Logger
  readonly metrics: Pick<RegistryMetrics, 'collected'>
  readonly events?: Pick<Events, 'emit'>
  /** Whether a collection may go on by itself. @default it may */
  readonly mayRun?: () => boolean
}

interface Running {
  readonly collection: Collection
  readonly abort: AbortController
  readonly over: Promise<void>
}

/** Runs collections of garbage, one at a time, in the background. One that a crash ended goes on at the next start. */
export class Collector {
  readonly #init: CollectorInit
  #running: Running | undefined
  #holds = 0
  #last: CollectionState | undefined

  constructor(init: CollectorInit) {
    this.#init = init
  }

  /** The collection under way, or the last one. */
  get state(): CollectionState | undefined {
    return this.#running?.collection.state ?? this.#last
  }

  /** Find the last collection, and go on with it if it did not come to its end. To be called first. */
  async restore(): Promise<void> {
    const note = await this.#init.metadata.notes.get(NOTE)
    if (!isState(note)) return
    this.#last = note
    if (note.status !== 'running' || this.isHeld) return
    // A dry run knows nothing any more of what it had thought away.
    const { dryRun, graceSeconds, untagged } = note
    const options = { dryRun, untagged, graceMs: graceSeconds * 1000 }
    this.#begin(dryRun ? { ...this.#fresh(options), id: note.id } : note)
  }

  /** Whether somebody keeps collections from running. */
  get isHeld(): boolean {
    return this.#holds > 0
  }

  /**
   * Keep collections from running. One that is under way stops, and goes on when all who hold have released.
   *
   * @returns what releases; nothing is removed any more when this resolves
   */
  async hold(): Promise<() => Promise<void>> {
    this.#holds++
    await this.stop()
    let isReleased = false
    return async () => {
      if (isReleased) return
      isReleased = true
      this.#holds--
      if (!this.isHeld && this.#init.mayRun?.() !== false) await this.restore()
    }
  }

  /** Begin to collect. @returns undefined when a collection is under way already, or held */
  start(options: CollectionOptions): CollectionState | undefined {
    return this.#running === undefined && !this.isHeld ? this.#begin(this.#fresh(options)) : undefined
  }

  /** End the collection under way. What it removed stays removed. @returns how it ended, if there was one */
  async cancel(): Promise<CollectionState | undefined> {
    const running = this.#running
    running?.abort.abort(new CollectionEndedError(true))
    await running?.over
    return running === undefined ? undefined : this.#last
  }

  /** Resolves when no collection is under way. */
  async idle(): Promise<void> {
    await this.#running?.over
  }

  /** Leave the collection under way to the next start. */
  async stop(): Promise<void> {
    this.#running?.abort.abort(new CollectionEndedError(false))
    await this.idle()
  }

  #fresh({ dryRun, graceMs, untagged }: CollectionOptions): CollectionState {
    return {
      id: randomUUID(),
      status: 'running',
      dryRun,
      untagged,
      graceSeconds: graceMs / 1000,
      startedAt: new Date(this.#init.now()).toISOString(),
      phase: 'repositories',
      progress: { done: 0, total: 0 },
      removed: { tags: 0, manifests: 0, links: 0, blobs: 0, bytes: 0 },
      removals: []
    }
  }

  #begin(state: CollectionState): CollectionState {
    const collection = new Collection(this.#init, state)
    const abort = new AbortController()
    const over = this.#run(collection, abort.signal)
    this.#running = { collection, abort, over }
    return collection.state
  }

  /** Never throws. */
  async #run(collection: Collection, signal: AbortSignal): Promise<void> {
    const { logger, metrics } = this.#init
    const { id } = collection.state
    logger.info({ collection: id, dryRun: collection.state.dryRun }, 'collecting garbage')
    const before = collection.state.removed.bytes
    let writing = this.#write(collection.state)
    const timer = setInterval(() => {
      writing = writing.then(async () => await this.#write(collection.state))
    }, CHECKPOINT_MS).unref()
    let end: Partial<CollectionState>
    try {
      await collection.run(signal)
      end = { status: 'done' }
    } catch (error) {
      const isLeft = error instanceof CollectionEndedError && !error.cancelled
      const isCancelled = error instanceof CollectionEndedError && error.cancelled
      end = isLeft ? {} : isCancelled ? { status: 'cancelled' } : { status: 'failed', error: describe(error) }
      if (!(error instanceof CollectionEndedError))
        logger.error({ err: error, collection: id }, 'the collection failed')
    }
    clearInterval(timer)
    await writing
    const endedAt = new Date(this.#init.now()).toISOString()
    this.#last = { ...collection.state, ...end, ...(end.status === undefined ? {} : { endedAt }) }
    await this.#write(this.#last)
    const { dryRun, removed, status } = this.#last
    if (!dryRun) metrics.collected(removed.bytes - before)
    logger.info({ collection: id, status: this.#last.status, dryRun, removed }, 'the collection ended')
    if (status !== 'running') {
      const detail = { id, status, dryRun, removed }
      this.#init.events?.emit({ action: 'gc', kind: 'registry', repository: '', detail })
    }
    this.#running = undefined
  }

  /** A full disk does not keep garbage from being collected. */
  async #write(state: CollectionState): Promise<void> {
    try {
      await this.#init.metadata.notes.put(NOTE, state)
    } catch (err) {
      this.#init.logger.warn({ err }, 'where the collection is could not be written down')
    }
  }
}

/** What the administrator is told; the log has the cause. */
function describe(error: unknown): string {
  if (error instanceof StoreFullError) return 'the registry has no disk space left: free some, and collect again'
  return "see the registry's log"
}

/** Ends a collection before its end. */
class CollectionEndedError extends Error {
  override readonly name = 'CollectionEndedError'
  /** For good, or until the next start. */
  readonly cancelled: boolean

  constructor(cancelled: boolean) {
    super('the collection was ended')
    this.cancelled = cancelled
  }
}

/** What was written by us, of this version. */
function isState(note: unknown): note is CollectionState {
  return typeof note === 'object' && note !== null && 'status' in note && 'removals' in note && 'progress' in note
}
