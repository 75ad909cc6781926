import type { Credentials } from '@shoal/oci'

/** For how long a tag is not asked for again at its upstream. */
export const DEFAULT_TAG_TTL_MS = 60_000
/** Requests to one upstream at a time. */
export const DEFAULT_UPSTREAM_REQUESTS = 16

/** What becomes of a blob of which only a part was asked for: all of it is fetched too, or only what is asked for. */
export type RangeMiss = 'fill' | 'part'

/** A registry that is not ours, whose images are to be had here. */
export interface UpstreamConfig {
  /** `host[:port]` by which images name it. */
  readonly host: string
  /** Where it is: `http(s)://host[:port]`. */
  readonly url: string
  readonly credentials?: Credentials
  /** PEM of the authorities to trust instead of the system's. */
  readonly caBundle?: string
  /** Patterns of its repositories that may be pulled; `*` stands for any characters. @default all */
  readonly allow?: readonly string[]
  /** Patterns of those that may not, whatever `allow` says. @default none */
  readonly deny?: readonly string[]
  /** Requests at a time; more wait. @default 16 */
  readonly requests?: number
  /** Bytes per second that are read from it. @default no limit */
  readonly bytesPerSecond?: number
  /** For how long a tag is not asked for again. @default 60000 */
  readonly tagTtlMs?: number
  /** Garbage collection removes what nobody has pulled for so long. @default never */
  readonly keepPulledMs?: number
  /** @default 'fill' */
  readonly rangeMiss?: RangeMiss
}
