import { OciError } from '@shoal/oci'
import type { Notes } from '../metadata.ts'

/** Longest reason, characters. */
export const REASON_MAX = 500
const NOTE = 'read-only'

/** What is said of read-only mode. */
export interface ReadOnlyState {
  readonly readOnly: boolean
  /** Shown to whoever is refused. Empty while everything may be written. */
  readonly reason: string
  /** RFC 3339; undefined while everything may be written. */
  readonly since?: string
  /** Set where the registry was started so: it cannot be ended while it runs. */
  readonly fixed: boolean
  /** Pushes and deletes that began before and are not over. */
  readonly writesUnderWay: number
}

/** What read-only mode is made with. */
export interface ReadOnlyInit {
  readonly notes: Notes
  /** Why this registry never takes a write while it runs; undefined when that is for the administrator to say. */
  readonly fixedReason?: string | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
}

interface Mode {
  readonly reason: string
  readonly since: string
}

/**
 * Whether the registry takes pushes and deletes. The mode is kept, and holds after a restart; `fixedReason` is not kept: it
 * holds for this process and writes nothing.
 */
export class ReadOnly {
  readonly #init: ReadOnlyInit
  #mode: Mode | undefined
  #writes = 0

  constructor(init: ReadOnlyInit) {
    this.#init = init
    if (init.fixedReason !== undefined) this.#mode = this.#begin(init.fixedReason)
  }

  get isOn(): boolean {
    return this.#mode !== undefined
  }

  get state(): ReadOnlyState {
    const { reason = '', ...since } = this.#mode ?? {}
    const fixed = this.#init.fixedReason !== undefined
    return { readOnly: this.isOn, reason, ...since, fixed, writesUnderWay: this.#writes }
  }

  /** Find the mode that was set before. To be called first. */
  async restore(): Promise<void> {
    if (this.#init.fixedReason !== undefined) return
    const note = await this.#init.notes.get(NOTE)
    this.#mode = isMode(note) ? { reason: note.reason, since: note.since } : undefined
  }

  /**
   * Refuse writes from now on, or take them again. What is under way is not cut off: `writesUnderWay` says when it is over.
   *
   * @param reason undefined to take writes again
   */
  async set(reason: string | undefined): Promise<void> {
    const mode = reason === undefined ? undefined : this.#begin(reason)
    // Refused before it is written down, and taken only after: whoever was told that it is on can rely on it.
    if (mode !== undefined) this.#mode = mode
    await this.#init.notes.put(NOTE, mode ?? { off: true })
    this.#mode = mode
  }

  /**
   * Do something that writes.
   *
   * @throws OciError `UNSUPPORTED` (405) with the reason while nothing may be written
   */
  async write<T>(work: () => Promise<T>): Promise<T> {
    this.check()
    this.#writes++
    try {
      return await work()
    } finally {
      this.#writes--
    }
  }

  /** @throws OciError `UNSUPPORTED` (405) with the reason while nothing may be written */
  check(): void {
    if (this.#mode === undefined) return
    const { reason } = this.#mode
    const why = reason === '' ? '' : `: ${reason}`
    throw new OciError('UNSUPPORTED', `the registry is read-only${why}`, { detail: { readOnly: true, reason } })
  }

  #begin(reason: string): Mode {
    const since = this.#mode?.since ?? new Date(this.#init.now()).toISOString()
    return { reason: reason.slice(0, REASON_MAX), since }
  }
}

function isMode(note: unknown): note is Mode {
  return (
    typeof note === 'object' &&
    note !== null &&
    'reason' in note &&
    typeof note.reason === 'string' &&
    'since' in note &&
    typeof note.since === 'string'
  )
}
