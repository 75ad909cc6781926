import { type Reference, RegistryClient } from '@shoal/oci'
import type { RunningProcess } from '../compose/parts.ts'
import type { ProgressHandle } from '../progress/board.ts'
import { discardingSink } from '../pull/blob-sink.ts'
import { resolveImage } from '../pull/image.ts'
import { pullBlobs } from '../pull/pull-blobs.ts'
import { loopbackUrl } from '../values/address.ts'
import { platformOf } from '../values/platform.ts'

/** How often a bar is told where the bytes come from. */
const SHARE_INTERVAL_MS = 200

/** Where one agent got the image from, and how long it took. */
export interface PullResult {
  readonly fromRegistryBytes: number
  readonly fromPeersBytes: number
  /** Bytes by the peer ids of those that sent them, the registry among them. */
  readonly fromPeer: ReadonlyMap<string, number>
  readonly seconds: number
}

/** Pulls an image through an agent as a container runtime would, checks all of it and throws it away; the agent keeps it. */
export async function pullThroughAgent(
  agent: RunningProcess,
  reference: Reference,
  bar: ProgressHandle,
  options: { signal: AbortSignal }
): Promise<PullResult> {
  const client = new RegistryClient({ url: loopbackUrl(agent.address) })
  const before = await agent.status()
  const began = performance.now()
  const share = async (): Promise<void> => {
    const { bytesReceived, peers } = await agent.status()
    const peer = bytesReceived.peer - before.bytesReceived.peer
    const all = peer + bytesReceived.registry - before.bytesReceived.registry
    if (all > 0) bar.update({ peerShare: peer / all, peers: peers.filter(({ role }) => role !== 'registry').length })
  }
  // A status that cannot be had leaves the bar without a share for now.
  const timer = setInterval(() => share().catch(() => undefined), SHARE_INTERVAL_MS)
  try {
    bar.update({ state: 'running' })
    const ns = { ns: reference.registry, ...options }
    const image = await resolveImage(client, reference, platformOf(process.platform, process.arch), ns)
    bar.advance(image.bytes.length)
    const listener = {
      started: () => undefined,
      advanced: (_blob: unknown, bytes: number) => bar.advance(bytes),
      finished: () => undefined,
      failed: () => undefined
    }
    await pullBlobs(client, reference.repository, image, discardingSink, listener, ns)
    const seconds = (performance.now() - began) / 1000
    const after = await agent.status()
    await share()
    bar.finish('done')
    return {
      fromRegistryBytes: after.bytesReceived.registry - before.bytesReceived.registry,
      fromPeersBytes: after.bytesReceived.peer - before.bytesReceived.peer,
      fromPeer: new Map(after.peers.map(({ peerId, bytesReceived }) => [peerId, bytesReceived])),
      seconds
    }
  } catch (error) {
    bar.finish('failed')
    throw error
  } finally {
    clearInterval(timer)
    await client.close()
  }
}
