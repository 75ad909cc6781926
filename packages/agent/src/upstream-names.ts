import type { Clock, Logger } from '@shoal/swarm'

/** How often the registry is asked which upstreams it has. */
export const UPSTREAMS_REFRESH_MS = 60_000
/** When an image is asked for of an upstream that is not known, it is asked again, but not more often than this. */
export const UPSTREAMS_EARLY_MS = 5_000
/** A pull waits at most so long for the registry to say which upstreams it has. */
export const UPSTREAMS_TIMEOUT_MS = 1_000

/** A registry whose images the registry behind the mirror caches. */
export interface UpstreamName {
  /** `host[:port]` by which images name it. */
  readonly host: string
  /** What the names of its repositories begin with at the registry. */
  readonly prefix: string
}

/** What knowing the upstreams needs. */
export interface UpstreamNamesInit {
  /** Asks the registry. */
  readonly ask: (options: { signal: AbortSignal }) => Promise<readonly UpstreamName[]>
  readonly clock: Clock
  readonly logger: Logger
}

/** Knows which other registries' images are to be had through the registry; what was known last counts while it is away. */
export class UpstreamNames {
  readonly #init: UpstreamNamesInit
  #known: readonly UpstreamName[] = []
  #askedAt = Number.NEGATIVE_INFINITY
  #asking: Promise<void> | undefined
  #stopTimer: () => void = () => undefined

  constructor(init: UpstreamNamesInit) {
    this.#init = init
  }

  /** Begin to ask now and then. */
  start(): void {
    this.#stopTimer()
    this.#stopTimer = this.#init.clock.every(UPSTREAMS_REFRESH_MS, () => void this.#refresh())
    void this.#refresh()
  }

  stop(): void {
    this.#stopTimer()
  }

  /** Whether a repository of the registry is one of an upstream. */
  includes(repository: string): boolean {
    return this.#known.some(({ prefix }) => repository.startsWith(`${prefix}/`))
  }

  /**
   * The name that a repository of another registry has at ours.
   *
   * @returns undefined when that registry's images are not to be had there
   */
  async local(name: string, host: string): Promise<string | undefined> {
    const known = this.#local(name, host)
    if (known !== undefined || this.#init.clock.now() - this.#askedAt < UPSTREAMS_EARLY_MS) return known
    await this.#refresh()
    return this.#local(name, host)
  }

  #local(name: string, host: string): string | undefined {
    const prefix = this.#known.find((upstream) => upstream.host === host)?.prefix
    return prefix === undefined ? undefined : `${prefix}/${name}`
  }

  async #refresh(): Promise<void> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    await this.#asking
  }

  async #ask(): Promise<void> {
    const { ask, clock, logger } = this.#init
    this.#askedAt = clock.now()
    try {
      this.#known = await ask({ signal: AbortSignal.timeout(UPSTREAMS_TIMEOUT_MS) })
    } catch (error) {
      logger.debug({ error }, 'the registry does not say which upstreams it has')
    }
  }
}
