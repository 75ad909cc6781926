/** Lets a caller stop waiting. */
export interface AbortOptions {
  readonly signal?: AbortSignal
}

/**
 * Wait for `promise`, but no longer than until `signal` aborts. The work behind the promise goes on: it may have
 * other waiters.
 *
 * @throws the signal's reason when it aborts first.
 */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return await promise
  const aborted = Promise.withResolvers<never>()
  const abort = (): void => aborted.reject(signal.reason)
  if (signal.aborted) abort()
  else signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([promise, aborted.promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
