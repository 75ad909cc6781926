import { digestOf } from '@shoal/oci'
import type { BlobSwarmInit } from '../src/blob/blob-swarm-init.ts'
import { ManualClock } from './manual-clock.ts'

/** What the swarm of a blob is made of where no node is around it. */
export function swarmInit(options: Partial<BlobSwarmInit> = {}): BlobSwarmInit {
  return {
    digest: digestOf(Buffer.from('a blob')),
    clock: new ManualClock(),
    seedCopies: undefined,
    repeatAfterMs: 0,
    place: () => ({ role: 'agent', zone: '', near: true }),
    channel: () => 1,
    upload: () => false,
    dropUploads: () => undefined,
    cancelUpload: () => undefined,
    mayAnswer: () => true,
    addressesOf: () => [],
    learned: () => undefined,
    ...options
  }
}
