import { setTimeout as delay } from 'node:timers/promises'

/** How often a condition that nothing announces is looked at again. */
const POLL_INTERVAL_MS = 25

/** How long a wait may last, and what is waited for (it appears in the error). */
export interface Deadline {
  readonly deadlineMs: number
  readonly what: string
}

/**
 * Asks `probe` until it answers something other than `undefined`, and returns that answer.
 *
 * A probe that throws ends the wait: what may fail for a while (a server that is not up yet) answers `undefined`.
 *
 * @throws Error naming what was waited for, once the deadline has passed
 */
export async function waitFor<T>(probe: () => Promise<T | undefined> | T | undefined, deadline: Deadline): Promise<T> {
  const end = performance.now() + deadline.deadlineMs
  for (;;) {
    const answer = await probe()
    if (answer !== undefined) return answer
    if (performance.now() > end) throw new Error(`${deadline.what}: not within ${deadline.deadlineMs} ms`)
    await delay(POLL_INTERVAL_MS)
  }
}

/**
 * Waits for a promise, but no longer than the deadline. The promise itself is left alone when it is late.
 *
 * @throws Error naming what was waited for, or whatever the promise rejects with
 */
export async function within<T>(promise: Promise<T>, deadline: Deadline): Promise<T> {
  const timeout = Promise.withResolvers<never>()
  const timer = setTimeout(() => {
    timeout.reject(new Error(`${deadline.what}: not within ${deadline.deadlineMs} ms`))
  }, deadline.deadlineMs)
  try {
    return await Promise.race([promise, timeout.promise])
  } finally {
    clearTimeout(timer)
  }
}
