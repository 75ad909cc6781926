import type { Digest } from '@shoal/oci'
import type { Metadata, PullRecord } from './metadata.ts'

/** Pull times are written down this often, so that a pull costs no write. A crash forgets those since the last time. */
export const PULL_TIME_GRANULARITY_MS = 60_000
/** Manifests with a pull time that is not written yet; one more has all of them written at once. */
export const PULL_TIMES_PENDING_MAX = 10_000

/** What pull times are kept with. */
export interface PullTimesInit {
  readonly metadata: Pick<Metadata, 'pulledAt' | 'recordPulls'>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Told when they could not be written; they are tried again with the next ones. */
  readonly onError: (error: unknown) => void
}

/**
 * When manifests were last pulled. A pull is a GET of a manifest, or a HEAD by tag: agents resolve tags by HEAD and take
 * the manifest from a peer.
 */
export class PullTimes {
  readonly #init: PullTimesInit
  #pending = new Map<string, PullRecord>()
  #writing: Promise<void> = Promise.resolve()

  constructor(init: PullTimesInit) {
    this.#init = init
  }

  /** A manifest is being pulled. */
  note(repository: string, digest: Digest): void {
    this.#pending.set(`${repository}:${digest}`, { repository, digest, pulledAt: this.#init.now() })
    if (this.#pending.size >= PULL_TIMES_PENDING_MAX) void this.flush()
  }

  /** When a manifest was last pulled, milliseconds since 1970. */
  async last(repository: string, digest: Digest): Promise<number | undefined> {
    const pending = this.#pending.get(`${repository}:${digest}`)
    return pending?.pulledAt ?? (await this.#init.metadata.pulledAt(repository, digest))
  }

  /** Write down what is pending. To be called every `PULL_TIME_GRANULARITY_MS`, and at the end. Never throws. */
  async flush(): Promise<void> {
    const pending = this.#pending
    if (pending.size === 0) return await this.#writing
    this.#pending = new Map()
    this.#writing = this.#writing.then(async () => {
      try {
        await this.#init.metadata.recordPulls([...pending.values()])
      } catch (error) {
        this.#keep(pending)
        this.#init.onError(error)
      }
    })
    await this.#writing
  }

  /** What could not be written stays for the next time, unless there is too much of it. */
  #keep(failed: ReadonlyMap<string, PullRecord>): void {
    for (const [key, record] of failed) {
      if (this.#pending.size >= PULL_TIMES_PENDING_MAX / 2) return
      if (!this.#pending.has(key)) this.#pending.set(key, record)
    }
  }
}
