import { Bitfield, chunkCount, chunkSizeFor, MAX_BLOB_SIZE_BYTES } from '@shoal/content'
import type { ControlFrame } from '../exchange/frame.ts'
import { WireError } from '../wire.ts'

type HeldState = NonNullable<Extract<ControlFrame, { type: 'bitfield' }>['state']>

/** Bits that a peer sent, checked against the blob's shape as the peer gave it. */
export function readBits(state: HeldState): Bitfield {
  const { size, chunkSize, bits } = state
  if (size > MAX_BLOB_SIZE_BYTES || chunkSize !== chunkSizeFor(size)) {
    throw new WireError(`a blob of ${size} bytes is not cut into chunks of ${chunkSize}`)
  }
  try {
    return Bitfield.from(bits, chunkCount({ size, chunkSize }))
  } catch (cause) {
    throw Object.assign(new WireError('the bitfield does not fit the blob'), { cause })
  }
}
