import type { Logger } from '@shoal/swarm'
import type { RunningProcess } from '../compose/parts.ts'
import { CommandError } from '../errors.ts'
import { untilShutdown } from '../signals.ts'

/** Longest time that a server takes to end; less than the 30 s that Kubernetes and systemd give it at least. */
export const DRAIN_TIMEOUT_MS = 25_000

/**
 * Runs a server until the signal aborts, then lets it drain.
 *
 * @returns 0
 * @throws CommandError when draining takes longer than {@link DRAIN_TIMEOUT_MS}
 */
export async function serve(running: RunningProcess, signal: AbortSignal, logger: Logger): Promise<number> {
  await untilShutdown(signal)
  logger.info({}, 'draining; a second signal ends it at once')
  const { promise: late, reject } = Promise.withResolvers<never>()
  const seconds = DRAIN_TIMEOUT_MS / 1000
  const timer = setTimeout(() => reject(new CommandError(`draining took longer than ${seconds} s`)), DRAIN_TIMEOUT_MS)
  try {
    await Promise.race([running.stop(), late])
  } finally {
    clearTimeout(timer)
  }
  logger.info({}, 'stopped')
  return 0
}
