import { type ExchangeFrame, FRAME_HEADER_BYTES } from '@shoal/swarm/parts'

const U8 = 1
const U16 = 2
const U32 = 4
const U64 = 8

/** How long a frame is on the wire, bytes, without encoding it. A test compares it with the real encoding. */
export function frameBytes(frame: ExchangeFrame): number {
  return FRAME_HEADER_BYTES + bodyBytes(frame)
}

function bodyBytes(frame: ExchangeFrame): number {
  switch (frame.type) {
    case 'bitfield': {
      const state = frame.state === undefined ? 0 : U64 + U32 + U32 + frame.state.bits.length
      return U32 + U8 + text(frame.digest) + state
    }
    case 'leave':
    case 'askMap':
      return U32
    case 'have':
    case 'ask':
    case 'cancel':
      return U32 + indexes(frame.indexes)
    case 'map':
      return U32 + U16 + U16 + frame.segment.length
    case 'askAny':
      return U32 + U16 + U8 + indexes(frame.except)
    case 'reject':
      return U32 + U8 + U16 + indexes(frame.indexes)
    case 'peers':
      return (
        U32 +
        list(frame.peers, ({ peerId, addresses }) => {
          return text(peerId) + list(addresses, text)
        })
      )
    case 'lane': {
      const { fingerprint, key, addresses } = frame.offer
      return U8 + fingerprint.length + key.length + list(addresses, text)
    }
    case 'ping':
    case 'pong':
      return 0
  }
}

function indexes(numbers: readonly number[]): number {
  return U16 + U32 * numbers.length
}

function list<T>(items: readonly T[], size: (item: T) => number): number {
  let bytes = U16
  for (const item of items) bytes += size(item)
  return bytes
}

/** Digests, ids and addresses are ASCII. */
function text(content: string): number {
  return U16 + content.length
}
