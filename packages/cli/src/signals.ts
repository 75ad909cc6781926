/** Signals that ask a process to end, with the exit code that shells know them by (128 + number). */
export const SHUTDOWN_SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const
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

/** Longest time that a process takes to end; less than the 30 s that Kubernetes gives it. */
export const DRAIN_TIMEOUT_MS = 25_000

/**
 * Turns the first of some signals into an aborted {@link AbortSignal}. A second one calls `exit` with its code, and so does
 * the first one when the process has not ended after {@link DRAIN_TIMEOUT_MS}.
 *
 * @returns the signal, whose reason is a {@link ShutdownError}, and `release`, which stops listening
 */
export function listenForShutdown(
  source: SignalSource,
  exit: (code: number) => void,
  names: readonly ShutdownSignalName[]
): { signal: AbortSignal; release: () => void } {
  const controller = new AbortController()
  let timer: NodeJS.Timeout | undefined
  const handlers = names.map((name) => {
    const handler = (): void => {
      if (controller.signal.aborted) {
        exit(SHUTDOWN_SIGNALS[name])
        return
      }
      timer = setTimeout(() => exit(SHUTDOWN_SIGNALS[name]), DRAIN_TIMEOUT_MS).unref()
      controller.abort(new ShutdownError(name))
    }
    source.on(name, handler)
    return { name, handler }
  })
  return {
    signal: controller.signal,
    release: () => {
      clearTimeout(timer)
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
