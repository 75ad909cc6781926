import type { Digest } from '@shoal/oci'

/** What can happen. The first four are those of the docker-distribution notifications. */
export const EVENT_ACTIONS = ['push', 'pull', 'mount', 'delete', 'proxy-fill', 'gc'] as const
export type EventAction = (typeof EVENT_ACTIONS)[number]

/** What it happened to. */
export type EventKind = 'manifest' | 'blob' | 'tag' | 'registry'

/** Who asked for it. */
export interface EventRequest {
  readonly id: string
  /** Address and port of the client. */
  readonly addr: string
  /** By which name the client knows the registry. */
  readonly host: string
  readonly method: string
  readonly useragent: string
}

/** Something that happened, before it is kept. */
export interface NewEvent {
  readonly action: EventAction
  readonly kind: EventKind
  /** Empty for what concerns the registry as a whole. */
  readonly repository: string
  readonly digest?: Digest
  readonly mediaType?: string
  /** Bytes. */
  readonly size?: number
  readonly tag?: string
  /** Where a blob was mounted from. */
  readonly fromRepository?: string
  readonly request?: EventRequest
  /** The user's name; empty for callers without credentials. */
  readonly actor?: string
  /** How many alike this stands for, where there was more than one. */
  readonly count?: number
  /** What a collection of garbage did. */
  readonly detail?: Readonly<Record<string, unknown>>
}

/** An event that is kept. */
export interface RegistryEvent extends NewEvent {
  /** Its place among all events of this registry; grows, with gaps. */
  readonly seq: number
  /** UUID: the same at each try and each replay, so that receivers know what they have. */
  readonly id: string
  /** Milliseconds since 1970. */
  readonly at: number
}
