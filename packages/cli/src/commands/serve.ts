import { flushCompileCache } from 'node:module'
import type { Logger } from '@shoal/swarm'
import type { RunningProcess } from '../compose/parts.ts'
import { untilShutdown } from '../signals.ts'

/** Runs a server until the signal aborts, then lets it drain. @returns 0 */
export async function serve(running: RunningProcess, signal: AbortSignal, logger: Logger): Promise<number> {
  // All that will be loaded is loaded. A process that is killed would leave the next start nothing.
  flushCompileCache()
  await untilShutdown(signal)
  logger.info({}, 'draining; a second signal ends it at once')
  await running.stop()
  logger.info({}, 'stopped')
  return 0
}
