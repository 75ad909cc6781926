import type { EventAction, NewEvent } from './event.ts'

/** How events are written. */
export type EventFormat = 'docker-v1' | 'docker-v2' | 'cloudevents'

/** Pulls are many; who wants to hear of them says so. */
export const DEFAULT_EVENT_ACTIONS: readonly EventAction[] = ['push', 'mount', 'delete', 'proxy-fill', 'gc']
export const DEFAULT_EVENT_FORMAT: EventFormat = 'docker-v2'
/** For the whole exchange, answer included. */
export const DEFAULT_WEBHOOK_TIMEOUT_MS = 10_000
/** Before the first retry; doubled for each that follows. */
export const WEBHOOK_BACKOFF_MIN_MS = 1000
export const DEFAULT_WEBHOOK_BACKOFF_MAX_MS = 60_000

/** Where events are sent. */
export interface Webhook {
  /** Under which its waiting events are kept. No colons. */
  readonly name: string
  readonly url: string
  /** @default 'docker-v2' */
  readonly format?: EventFormat
  /** @default all but pulls */
  readonly actions?: readonly EventAction[]
  /** Patterns of repositories, `*` for any text. Events of the registry as a whole pass. @default all */
  readonly repositories?: readonly string[]
  /** Signs what is sent. */
  readonly secret?: string
  /** @default 10,000 */
  readonly timeoutMs?: number
  /** Longest wait between two tries. @default 60,000 */
  readonly backoffMaxMs?: number
}

/** Tells which events a webhook gets. */
export function webhookFilter({ actions = DEFAULT_EVENT_ACTIONS, repositories }: Webhook) {
  const wanted = new Set(actions)
  const patterns = repositories?.map(expression)
  const wantsRepository = (repository: string): boolean =>
    patterns === undefined || repository === '' || patterns.some((pattern) => pattern.test(repository))
  return {
    wantsAction: (action: EventAction): boolean => wanted.has(action),
    wants: ({ action, repository }: Pick<NewEvent, 'action' | 'repository'>): boolean =>
      wanted.has(action) && wantsRepository(repository)
  }
}

function expression(pattern: string): RegExp {
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[^\w/-]/g, '\\$&'))
  return new RegExp(`^${parts.join('.*')}$`)
}
