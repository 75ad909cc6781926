/** Signals that ask a process to end, with the exit code that shells know them by (128 + number). */
export const SHUTDOWN_SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const
export type ShutdownSignalName = keyof typeof SHUTDOWN_SIGNALS

/** Why work was stopped: somebody asked the process to end. */
export class ShutdownError extends Error {
  readonly code = 'SHUTDOWN'
  /** For commands that end without their result. A server that drained exits with 0 instead. */
  readonly exitCode: number

  constructor(name: ShutdownSignalName) {
    super(`stopped by ${name}`)
    this.name = 'ShutdownError'
    this.exitCode = SHUTDOWN_SIGNALS[name]
  }
}

/** The part of `process` that signals come from. */
export interface SignalSource {
  on(name: ShutdownSignalName, listener: () => void): unknown
  off(name: ShutdownSignalName, listener: () => void): unknown
}

/**
 * Turns the first SIGINT or SIGTERM into an aborted {@link AbortSignal}; a second one calls `exit` with 130 or 143.
 *
 * @returns the signal, whose reason is a {@link ShutdownError}, and `release`, which stops listening
 */
export function listenForShutdown(
  source: SignalSource,
  exit: (code: number) => void
): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  const handlers = (['SIGINT', 'SIGTERM'] as const).map((name) => {
    const handler = (): void => {
      if (controller.signal.aborted) exit(SHUTDOWN_SIGNALS[name])
      else controller.abort(new ShutdownError(name))
    }
    source.on(name, handler)
    return { name, handler }
  })
  return {
    signal: controller.signal,
    release: () => {
      for (const { name, handler } of handlers) source.off(name, handler)
    }
  }
}

/** Resolves when the signal aborts. */
export function untilShutdown(signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  if (signal.aborted) resolve()
  else signal.addEventListener('abort', () => resolve(), { once: true })
  return promise
}
