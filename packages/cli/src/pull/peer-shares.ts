import type { Descriptor, Digest } from '@shoal/oci'
import type { ProgressHandle } from '../progress/board.ts'
import { parseStatus } from '../status/status-document.ts'

/** How often the agent is asked where its bytes come from. */
const POLL_INTERVAL_MS = 500

/**
 * Tells bars from where an agent gets the blobs, by asking its admin server until `signal` aborts. Without an answer
 * the bars just do not say.
 *
 * @param ask the agent's status document
 */
export async function watchPeerShares(
  ask: (signal: AbortSignal) => Promise<unknown>,
  bars: ReadonlyMap<Digest, Pick<ProgressHandle, 'update'>>,
  signal: AbortSignal
): Promise<void> {
  while (!signal.aborted) {
    const status = parseStatus(await ask(signal).catch(() => undefined))
    if (status === undefined || signal.aborted) return
    for (const transfer of status.transfers) {
      const fetched = transfer.fromPeersBytes + transfer.fromRegistryBytes
      if (fetched === 0) continue
      // A digest that is none of ours is not in the map, whatever its text is.
      const bar = bars.get(transfer.digest as Descriptor['digest'])
      bar?.update({ peerShare: transfer.fromPeersBytes / fetched, peers: transfer.peers })
    }
    await pause(POLL_INTERVAL_MS, signal)
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, ms)
  const abort = (): void => resolve()
  signal.addEventListener('abort', abort, { once: true })
  await promise
  clearTimeout(timer)
  signal.removeEventListener('abort', abort)
}
