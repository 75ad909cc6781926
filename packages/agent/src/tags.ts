import { type Digest, OciError, type RegistryClient } from '@shoal/oci'
import type { Logger } from '@shoal/swarm'
import type { AgentMetrics } from './agent-metrics.ts'
import type { TagMemory } from './tag-memory.ts'

/** The registry is not asked again for a tag within this time. */
export const TAG_TTL_MS = 1_000
/** The registry must say within this time what a tag stands for; then memory answers. */
export const TAG_TIMEOUT_MS = 3_000
/** A registry that could not be asked is not asked again within this time, so that pulls do not wait for it each time. */
export const UNREACHABLE_PAUSE_MS = 5_000
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
  readonly client: RegistryClient
  readonly memory: TagMemory
  readonly metrics: AgentMetrics
  readonly logger: Logger
  /** Milliseconds since the epoch. */
  readonly now: () => number
}

/** Resolves tags at the registry; many askers share one question. */
export class Tags {
  readonly #init: TagsInit
  #unreachableUntil = 0
  readonly #asking = new Map<string, { at: number; answer: Promise<ResolvedTag | undefined> }>()

  constructor(init: TagsInit) {
    this.#init = init
  }

  /** @returns undefined when the registry does not know the tag, or cannot be asked and nobody remembers it */
  resolve(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const key = `${repository}:${tag}`
    const now = this.#init.now()
    for (const [old, { at }] of this.#asking) if (now - at >= TAG_TTL_MS) this.#asking.delete(old)
    const known = this.#asking.get(key)
    if (known !== undefined) return known.answer
    const answer = this.#ask(repository, tag)
    this.#asking.set(key, { at: now, answer })
    return answer
  }

  async #ask(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const { client, memory, logger, now } = this.#init
    if (now() < this.#unreachableUntil) {
      const remembered = await this.#remember(repository, tag)
      if (remembered !== undefined) return remembered
    }
    try {
      const found = await client.headManifest(repository, tag, { signal: AbortSignal.timeout(TAG_TIMEOUT_MS) })
      if (found === undefined) {
        await memory.delete(repository, tag)
        return undefined
      }
      await memory.set(repository, tag, { digest: found.digest, seenAtMs: now() })
      return { digest: found.digest, stale: false }
    } catch (error) {
      if (error instanceof OciError && error.status < 500) throw error
      logger.debug({ error, repository, tag }, 'the registry cannot be asked for a tag')
      this.#unreachableUntil = now() + UNREACHABLE_PAUSE_MS
      return this.#remember(repository, tag)
    }
  }

  async #remember(repository: string, tag: string): Promise<ResolvedTag | undefined> {
    const { memory, metrics, now } = this.#init
    const known = await memory.get(repository, tag)
    if (known === undefined || now() - known.seenAtMs > STALE_TAG_MS) return undefined
    metrics.staleTag()
    return { digest: known.digest, stale: true }
  }
}
