import type { KeyObject } from 'node:crypto'
import { type SignedChunkMap, verifySegment } from '@shoal/content'

/**
 * A chunk map from the store, when this mesh's registry has signed it. A node that was a member of another mesh before has that one's
 * maps on its disk: who shows them to peers of this mesh counts as a liar. What is one chunk needs no signature.
 */
export function vouchedMap(signed: SignedChunkMap | undefined, authorityKey: KeyObject): SignedChunkMap | undefined {
  try {
    for (const segment of signed?.segments ?? []) verifySegment(segment, authorityKey)
    return signed
  } catch {
    return undefined
  }
}
