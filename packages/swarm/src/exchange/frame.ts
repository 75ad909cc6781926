import { type Digest, parseDigest } from '@shoal/oci'
import { MAX_CERTIFICATE_BYTES } from '../membership/certificate.ts'
import { WireError, WireReader, WireWriter } from '../wire.ts'

/** Version that HELLO carries; a peer of another version is refused. */
export const EXCHANGE_VERSION = 1
/** Bytes before a frame's body: u32 length of type and body, u8 type. */
export const FRAME_HEADER_BYTES = 5
/** Bytes of a CHUNK frame's body before the payload: channel, index, offset. */
export const CHUNK_HEADER_BYTES = 12
/** A chunk travels in pieces of at most this size, so that a have or a cancel never waits behind a whole chunk. */
export const MAX_PIECE_BYTES = 128 * 1024
/** The largest body of any frame but CHUNK. The bitfield of the largest blob (8 TiB) has 256 KiB. */
export const MAX_CONTROL_BYTES = 257 * 1024
/** Chunk numbers that one have, ask, cancel or reject may carry. */
export const MAX_INDEXES = 1024
/** Peers that one PEERS frame may carry. */
export const MAX_PEERS = 64

/** A lane's fingerprint is a SHA-256. */
export const FINGERPRINT_BYTES = 32
/** Bytes of the key in a lane offer. */
export const LANE_KEY_BYTES = 32

const MAX_DIGEST_TEXT_BYTES = 135
const MAX_AGENT_BYTES = 64
const MAX_ADDRESS_BYTES = 256
const MAX_ADDRESSES = 16
const MAX_PEER_ID_BYTES = 128

const FLAG_WANT = 1
const FLAG_MAP = 2
const FLAG_ABSENT = 4
const FLAG_AGAIN = 1

export const FRAME_TYPES = {
  hello: 1,
  bitfield: 2,
  leave: 3,
  have: 4,
  askMap: 5,
  map: 6,
  askAny: 7,
  ask: 8,
  chunk: 9,
  cancel: 10,
  reject: 11,
  peers: 12,
  lane: 13,
  ping: 14,
  pong: 15
} as const

/** Why a request is refused. */
export type RejectReason = 'lacking' | 'exhausted' | 'busy' | 'denied'
const REJECT_REASONS: readonly RejectReason[] = ['lacking', 'exhausted', 'busy', 'denied']

/** A peer and where it can be dialled. */
export interface PeerAddress {
  readonly peerId: string
  /** Multiaddrs in text form. */
  readonly addresses: readonly string[]
}

/** What a node asks of a direct lane: encryption, or only that both ends prove who they are. */
export type LaneEncryption = 'tls' | 'none'
const LANE_ENCRYPTIONS: readonly LaneEncryption[] = ['tls', 'none']

/** How a peer's end of the direct lane can be reached and known. */
export interface LaneOffer {
  /** `tls` when it insists on it; a pair goes without only where both allow that. */
  readonly encryption: LaneEncryption
  /** SHA-256 of its certificate. */
  readonly fingerprint: Uint8Array
  /** Made for the receiver of this offer alone: proves on a lane without encryption that it is the receiver who dials. */
  readonly key: Uint8Array
  /** Multiaddrs to dial; none when it cannot be dialled. */
  readonly addresses: readonly string[]
}

/**
 * Everything but CHUNK that peers say to each other. `channel` is always the sender's own number for a blob, made
 * known by its BITFIELD; 0 in an absent bitfield.
 */
export type ControlFrame =
  | { readonly type: 'hello'; readonly version: number; readonly certificate: Uint8Array; readonly agent: string }
  | {
      readonly type: 'bitfield'
      readonly channel: number
      readonly digest: Digest
      /** The sender wants the blob and wants to be told who has it. */
      readonly want: boolean
      /** The sender neither has the blob nor is fetching it. */
      readonly absent: boolean
      /** What the sender holds; missing as long as it does not know the chunk map. */
      readonly state?: { readonly size: number; readonly chunkSize: number; readonly bits: Uint8Array }
    }
  | { readonly type: 'leave'; readonly channel: number }
  | { readonly type: 'have'; readonly channel: number; readonly indexes: readonly number[] }
  | { readonly type: 'askMap'; readonly channel: number }
  | {
      readonly type: 'map'
      readonly channel: number
      readonly number: number
      readonly total: number
      readonly segment: Uint8Array
    }
  | {
      readonly type: 'askAny'
      readonly channel: number
      readonly count: number
      /** The asker is starving: chunks that were sent before may be sent again. */
      readonly again: boolean
      /** Chunks that the asker lacks but has asked for elsewhere. */
      readonly except: readonly number[]
    }
  | { readonly type: 'ask'; readonly channel: number; readonly indexes: readonly number[] }
  /** Withdraws asks by number, or every ask for any when `indexes` is empty. */
  | { readonly type: 'cancel'; readonly channel: number; readonly indexes: readonly number[] }
  | {
      readonly type: 'reject'
      readonly channel: number
      readonly reason: RejectReason
      /** How many chunks asked for with "any" are refused. */
      readonly any: number
      readonly indexes: readonly number[]
    }
  | { readonly type: 'peers'; readonly channel: number; readonly peers: readonly PeerAddress[] }
  | { readonly type: 'lane'; readonly offer: LaneOffer }
  /** Are you there? */
  | { readonly type: 'ping' }
  | { readonly type: 'pong' }

/** What a CHUNK frame says of its payload. */
export interface ChunkHeader {
  readonly channel: number
  readonly index: number
  /** Offset of the payload inside the chunk. */
  readonly offset: number
}

/** Encodes one frame, header included. */
export function encodeFrame(frame: ControlFrame): Uint8Array {
  const body = encodeBody(frame)
  const bytes = new Uint8Array(FRAME_HEADER_BYTES + body.length)
  const view = new DataView(bytes.buffer)
  view.setUint32(0, body.length + 1)
  view.setUint8(4, FRAME_TYPES[frame.type])
  bytes.set(body, FRAME_HEADER_BYTES)
  return bytes
}

/** Bytes of a CHUNK frame before its payload. */
export const CHUNK_FRAME_HEADER_BYTES = FRAME_HEADER_BYTES + CHUNK_HEADER_BYTES

/** Writes the headers of a CHUNK frame to the start of `frame`, where `length` bytes of payload follow them. */
export function writeChunkHeader(frame: Uint8Array, header: ChunkHeader, length: number): void {
  const view = new DataView(frame.buffer, frame.byteOffset)
  view.setUint32(0, 1 + CHUNK_HEADER_BYTES + length)
  view.setUint8(4, FRAME_TYPES.chunk)
  view.setUint32(5, header.channel)
  view.setUint32(9, header.index)
  view.setUint32(13, header.offset)
}

function encodeBody(frame: ControlFrame): Uint8Array {
  const writer = new WireWriter()
  const indexes = (list: readonly number[]) => writer.list(list, (index) => writer.u32(index))
  switch (frame.type) {
    case 'hello':
      return writer.u16(frame.version).block(frame.certificate).text(frame.agent).finish()
    case 'bitfield': {
      const flags =
        (frame.want ? FLAG_WANT : 0) | (frame.state === undefined ? 0 : FLAG_MAP) | (frame.absent ? FLAG_ABSENT : 0)
      writer.u32(frame.channel).u8(flags).text(frame.digest)
      if (frame.state !== undefined) {
        const { size, chunkSize, bits } = frame.state
        writer.u64(size).u32(chunkSize).u32(bits.length).bytes(bits)
      }
      return writer.finish()
    }
    case 'leave':
    case 'askMap':
      return writer.u32(frame.channel).finish()
    case 'have':
    case 'ask':
    case 'cancel':
      writer.u32(frame.channel)
      return indexes(frame.indexes).finish()
    case 'map':
      return writer.u32(frame.channel).u16(frame.number).u16(frame.total).bytes(frame.segment).finish()
    case 'askAny':
      writer
        .u32(frame.channel)
        .u16(frame.count)
        .u8(frame.again ? FLAG_AGAIN : 0)
      return indexes(frame.except).finish()
    case 'reject':
      writer.u32(frame.channel).u8(REJECT_REASONS.indexOf(frame.reason)).u16(frame.any)
      return indexes(frame.indexes).finish()
    case 'peers':
      writer.u32(frame.channel)
      return writePeers(writer, frame.peers).finish()
    case 'lane': {
      const { encryption, fingerprint, key, addresses } = frame.offer
      writer.u8(LANE_ENCRYPTIONS.indexOf(encryption)).bytes(fingerprint).bytes(key)
      return writer.list(addresses, (address) => writer.text(address)).finish()
    }
    case 'ping':
    case 'pong':
      return writer.finish()
  }
}

/** Writes a list of peers; shared with the rendezvous messages. */
export function writePeers(writer: WireWriter, peers: readonly PeerAddress[]): WireWriter {
  return writer.list(peers, (peer) => {
    writer.text(peer.peerId)
    writer.list(peer.addresses, (address) => writer.text(address))
  })
}

/** Reads what {@link writePeers} wrote. */
export function readPeers(reader: WireReader): PeerAddress[] {
  return reader.list(MAX_PEERS, () => ({
    peerId: reader.text(MAX_PEER_ID_BYTES),
    addresses: reader.list(MAX_ADDRESSES, () => reader.text(MAX_ADDRESS_BYTES))
  }))
}

/** Writes as many of a peer's addresses as a message may carry. */
export function boundAddresses(addresses: readonly string[]): string[] {
  return addresses.filter((address) => address.length <= MAX_ADDRESS_BYTES).slice(0, MAX_ADDRESSES)
}

/**
 * Decodes the body of a frame of type number `type`.
 *
 * @throws WireError when the body is not exactly one such frame
 */
export function decodeFrame(type: number, body: Uint8Array): ControlFrame {
  const reader = new WireReader(body)
  const frame = decodeBody(type, reader)
  reader.end()
  return frame
}

function decodeBody(type: number, reader: WireReader): ControlFrame {
  const indexes = () => reader.list(MAX_INDEXES, () => reader.u32())
  switch (type) {
    case FRAME_TYPES.hello:
      return {
        type: 'hello',
        version: reader.u16(),
        certificate: reader.block(MAX_CERTIFICATE_BYTES),
        agent: reader.text(MAX_AGENT_BYTES)
      }
    case FRAME_TYPES.bitfield:
      return decodeBitfield(reader)
    case FRAME_TYPES.leave:
      return { type: 'leave', channel: reader.u32() }
    case FRAME_TYPES.have:
      return { type: 'have', channel: reader.u32(), indexes: indexes() }
    case FRAME_TYPES.askMap:
      return { type: 'askMap', channel: reader.u32() }
    case FRAME_TYPES.map:
      return {
        type: 'map',
        channel: reader.u32(),
        number: reader.u16(),
        total: reader.u16(),
        segment: reader.bytes(reader.remaining)
      }
    case FRAME_TYPES.askAny:
      return {
        type: 'askAny',
        channel: reader.u32(),
        count: reader.u16(),
        again: (reader.u8() & FLAG_AGAIN) !== 0,
        except: indexes()
      }
    case FRAME_TYPES.ask:
      return { type: 'ask', channel: reader.u32(), indexes: indexes() }
    case FRAME_TYPES.cancel:
      return { type: 'cancel', channel: reader.u32(), indexes: indexes() }
    case FRAME_TYPES.reject: {
      const channel = reader.u32()
      const reason = REJECT_REASONS[reader.u8()]
      if (reason === undefined) throw new WireError('unknown reason in a reject')
      return { type: 'reject', channel, reason, any: reader.u16(), indexes: indexes() }
    }
    case FRAME_TYPES.peers:
      return { type: 'peers', channel: reader.u32(), peers: readPeers(reader) }
    case FRAME_TYPES.lane: {
      const encryption = LANE_ENCRYPTIONS[reader.u8()]
      if (encryption === undefined) throw new WireError('unknown encryption in a lane offer')
      const fingerprint = reader.bytes(FINGERPRINT_BYTES)
      const key = reader.bytes(LANE_KEY_BYTES)
      const addresses = reader.list(MAX_ADDRESSES, () => reader.text(MAX_ADDRESS_BYTES))
      return { type: 'lane', offer: { encryption, fingerprint, key, addresses } }
    }
    case FRAME_TYPES.ping:
      return { type: 'ping' }
    case FRAME_TYPES.pong:
      return { type: 'pong' }
    default:
      throw new WireError(`unknown frame type ${type}`)
  }
}

function decodeBitfield(reader: WireReader): ControlFrame {
  const channel = reader.u32()
  const flags = reader.u8()
  const digest = readDigest(reader)
  const want = (flags & FLAG_WANT) !== 0
  const absent = (flags & FLAG_ABSENT) !== 0
  if (flags > 7 || (absent && (flags & FLAG_MAP) !== 0)) throw new WireError(`impossible bitfield flags ${flags}`)
  if ((flags & FLAG_MAP) === 0) return { type: 'bitfield', channel, digest, want, absent }
  const size = reader.u64()
  const chunkSize = reader.u32()
  const bits = reader.bytes(reader.u32())
  return { type: 'bitfield', channel, digest, want, absent, state: { size, chunkSize, bits } }
}

/** Reads a digest in text form. */
export function readDigest(reader: WireReader): Digest {
  const text = reader.text(MAX_DIGEST_TEXT_BYTES)
  try {
    return parseDigest(text)
  } catch (cause) {
    throw Object.assign(new WireError(`"${text.slice(0, 80)}" is not a digest`), { cause })
  }
}
