import type { Digest, RegistryClient } from '@shoal/oci'
import { type Clock, isRefusal, type Logger, type RegistryBreaker } from '@shoal/swarm'
import type { AgentMetrics } from './agent-metrics.ts'
import type { TagMemory } from './tag-memory.ts'

/** The registry is not asked again for a tag within this time. */
export const TAG_TTL_MS = 1_000
/** The registry must say within this time what a tag stands for that nobody remembers. */
export const TAG_TIMEOUT_MS = 3_000
/** The same while the registry is known to be down. */
export const DOWN_TAG_TIMEOUT_MS = 1_000
/** Memory answers for a tag when the registry has not within this time; its answer is remembered when it comes. */
export const TAG_HEDGE_MS = 500
/** As long may the registry take for a tag for which it has to ask an upstream. */
export const UPSTREAM_TAG_TIMEOUT_MS = 20_000
/** For how long memory answers for a tag when the registry cannot be reached. */
export const STALE_TAG_MS = 24 * 3_600_000

/** What a tag stands for. */
export interface ResolvedTag {
  readonly digest: Digest
  /** It comes from memory, because the registry could not be asked. */
  readonly stale: boolean
}

/** What resolving tags needs. */
export interface TagsInit {
  readonly client: Pick<RegistryClient, 'headManifest'>
  readonly breaker: RegistryBreaker
  /** Whose repositories the registry has to ask elsewhere about. @default none */
  readonly upstreams?: { includes(repository: string): boolean }
  readonly memory: TagMemory
  readonly metrics: AgentMetrics
  readonly logger: Logger
  readonly clock: Clock
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** What the registry said of a tag, `tag` being absent when it does not know it; or that it did not say anything. */
type Answer = { readonly tag: ResolvedTag | undefined } | 'unreachable'

/** Resolves tags at the registry; many askers share one question, and nobody waits who can be answered from memory. */
export class Tags {
  readonly #init: TagsInit
  readonly #recent = new Map<string, { at: number; answer: Promise<ResolvedTag | undefined> }>()

  constructor(init: TagsInit) {
    this.#init = init
  }

  /**
   * @returns undefined when the registry does not know the tag, or cannot be asked and nobody remembers it
   * @throws OciError when the registry refuses to say
   */
  resolve(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const key = `${repository}:${tag}`
    const now = this.#init.now()
    for (const [old, { at }] of this.#recent) if (now - at >= TAG_TTL_MS) this.#recent.delete(old)
    const known = this.#recent.get(key)
    if (known !== undefined) return known.answer
    const answer = this.#resolve(repository, tag)
    this.#recent.set(key, { at: now, answer })
    return answer
  }

  async #resolve(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const { breaker, metrics } = this.#init
    const remembered = await this.#remember(repository, tag)
    if (remembered === undefined) {
      const answer = await this.#ask(repository, tag, breaker.down ? DOWN_TAG_TIMEOUT_MS : TAG_TIMEOUT_MS)
      return answer === 'unreachable' ? undefined : answer.tag
    }
    if (!breaker.down) {
      const answer = await this.#askHedged(repository, tag)
      if (answer !== 'unreachable') return answer.tag
    }
    metrics.staleTag()
    return remembered
  }

  /** Asks, but does not wait long: what comes later is for the next who wants to know. */
  async #askHedged(repository: string, tag: string): Promise<Answer> {
    const { breaker, clock, logger } = this.#init
    const asked = this.#ask(repository, tag, TAG_TIMEOUT_MS)
    const late = Promise.withResolvers<'late'>()
    const cancel = clock.after(TAG_HEDGE_MS, () => late.resolve('late'))
    const first = await Promise.race([asked, late.promise]).finally(cancel)
    if (first !== 'late') return first
    if (!this.#isUpstream(repository)) breaker.trip()
    asked.then(
      () => this.#recent.delete(`${repository}:${tag}`),
      (error: unknown) => logger.debug({ error, repository, tag }, 'the registry refused, late, to resolve a tag')
    )
    return 'unreachable'
  }

  async #ask(repository: string, tag: string, timeoutMs: number): Promise<Answer> {
    const { client, breaker, memory, logger, now } = this.#init
    try {
      const isUpstream = this.#isUpstream(repository)
      // That an upstream is slow or away says nothing of the registry.
      const found = isUpstream
        ? await client.headManifest(repository, tag, { signal: AbortSignal.timeout(patienceMs(breaker.down)) })
        : await breaker.ask(timeoutMs, (signal) => client.headManifest(repository, tag, { signal }))
      if (found === undefined) {
        await memory.delete(repository, tag)
        return { tag: undefined }
      }
      await memory.set(repository, tag, { digest: found.digest, seenAtMs: now() })
      return { tag: { digest: found.digest, stale: found.stale === true } }
    } catch (error) {
      if (isRefusal(error)) throw error
      logger.debug({ error, repository, tag }, 'the registry cannot be asked for a tag')
      return 'unreachable'
    }
  }

  #isUpstream(repository: string): boolean {
    return this.#init.upstreams?.includes(repository) === true
  }

  async #remember(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const { memory, now } = this.#init
    const known = await memory.get(repository, tag)
    if (known === undefined || now() - known.seenAtMs > STALE_TAG_MS) return undefined
    return { digest: known.digest, stale: true }
  }
}

function patienceMs(isDown: boolean): number {
  return isDown ? DOWN_TAG_TIMEOUT_MS : UPSTREAM_TAG_TIMEOUT_MS
}
