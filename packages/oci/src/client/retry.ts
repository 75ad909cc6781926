import { setTimeout as sleep } from 'node:timers/promises'

/** Tries of a request that may be repeated, the first included. */
export const DEFAULT_ATTEMPTS = 4
const FIRST_BACKOFF_MS = 100
const MAX_BACKOFF_MS = 5_000
/** A registry that asks for more patience than this is not waited for. */
export const MAX_RETRY_AFTER_MS = 30_000

/** Statuses that may be gone at the next try. */
export function isTransient(status: number): boolean {
  return status === 408 || status === 429 || status === 500 || (status >= 502 && status <= 504)
}

/** How long to wait before try number `attempt` (from 1): doubled each time, with half of it random. */
export function backoffMs(attempt: number, random: () => number): number {
  const most = Math.min(MAX_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** (attempt - 1))
  return most / 2 + (most / 2) * random()
}

/** What a `Retry-After` header asks for, in ms (RFC 9110, 10.2.3); undefined when it says nothing usable. */
export function retryAfterMs(header: string | undefined, nowMs: number): number | undefined {
  if (header === undefined) return undefined
  const seconds = Number(header)
  const ms = Number.isFinite(seconds) ? seconds * 1000 : Date.parse(header) - nowMs
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined
}

/** Waits, or rejects with the signal's reason. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  signal?.throwIfAborted()
  await sleep(ms, undefined, signal === undefined ? {} : { signal })
}
