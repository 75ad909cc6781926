import type { Logger } from '@shoal/swarm'
import type { RunningProcess } from '../compose/parts.ts'
import { untilShutdown } from '../signals.ts'

/** Runs a server until the signal aborts, then lets it drain. @returns 0 */
export async function serve(running: RunningProcess, signal: AbortSignal, logger: Logger): Promise<number> {
  await untilShutdown(signal)
  logger.info({}, 'draining; a second signal ends it at once')
  await running.stop()
  logger.info({}, 'stopped')
  return 0
}
