import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { digestOf } from '@shoal/oci'
import fc from 'fast-check'
import {
  CHUNK_FRAME_HEADER_BYTES,
  CHUNK_HEADER_BYTES,
  type ControlFrame,
  decodeFrame,
  encodeFrame,
  FRAME_HEADER_BYTES,
  FRAME_TYPES,
  MAX_CONTROL_BYTES,
  MAX_INDEXES,
  MAX_PIECE_BYTES,
  writeChunkHeader
} from '../src/exchange/frame.ts'
import { type FrameHandler, FrameParser } from '../src/exchange/frame-parser.ts'
import { WireError } from '../src/wire.ts'

const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 })
const u16 = fc.integer({ min: 0, max: 2 ** 16 - 1 })
const bytes = (maxLength: number) => fc.uint8Array({ maxLength })
const indexes = fc.array(u32, { maxLength: 40 })
const digest = bytes(8).map((value) => digestOf(value))

const frames: fc.Arbitrary<ControlFrame> = fc.oneof(
  fc.record({
    type: fc.constant('hello' as const),
    version: u16,
    certificate: bytes(300),
    agent: fc.string({ maxLength: 15 })
  }),
  fc.record({
    type: fc.constant('bitfield' as const),
    channel: u32,
    digest,
    want: fc.boolean(),
    absent: fc.constant(false),
    state: fc.record({ size: fc.maxSafeNat(), chunkSize: u32, bits: bytes(64) })
  }),
  fc.record({ type: fc.constant('bitfield' as const), channel: u32, digest, want: fc.boolean(), absent: fc.boolean() }),
  fc.record({ type: fc.constant('leave' as const), channel: u32 }),
  fc.record({ type: fc.constant('have' as const), channel: u32, indexes }),
  fc.record({ type: fc.constant('askMap' as const), channel: u32 }),
  fc.record({ type: fc.constant('map' as const), channel: u32, number: u16, total: u16, segment: bytes(200) }),
  fc.record({ type: fc.constant('askAny' as const), channel: u32, count: u16, again: fc.boolean(), except: indexes }),
  fc.record({ type: fc.constant('ask' as const), channel: u32, indexes }),
  fc.record({ type: fc.constant('cancel' as const), channel: u32, indexes }),
  fc.record({
    type: fc.constant('reject' as const),
    channel: u32,
    reason: fc.constantFrom('lacking' as const, 'exhausted' as const, 'busy' as const, 'denied' as const),
    any: u16,
    indexes
  }),
  fc.record({
    type: fc.constant('lane' as const),
    offer: fc.record({
      encryption: fc.constantFrom('tls' as const, 'none' as const),
      fingerprint: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
      addresses: fc.array(fc.string({ maxLength: 40 }), { maxLength: 5 })
    })
  }),
  fc.record({ type: fc.constantFrom('ping' as const, 'pong' as const) }),
  fc.record({
    type: fc.constant('peers' as const),
    channel: u32,
    peers: fc.array(
      fc.record({
        peerId: fc.string({ maxLength: 20 }),
        addresses: fc.array(fc.string({ maxLength: 20 }), { maxLength: 4 })
      }),
      { maxLength: 8 }
    )
  })
)

interface Seen {
  frames: ControlFrame[]
  chunks: { channel: number; index: number; offset: number; payload: Uint8Array }[]
}

function collect(): { parser: FrameParser; seen: Seen } {
  const seen: Seen = { frames: [], chunks: [] }
  const handler: FrameHandler = {
    onFrame: (frame) => seen.frames.push(frame),
    onPiece: (header, length) => {
      const target = new Uint8Array(length)
      return {
        target,
        filled: () => seen.chunks.push({ ...header, payload: target }),
        abandoned: () => undefined
      }
    }
  }
  return { parser: new FrameParser(handler), seen }
}

/** Feeds bytes in pieces whose sizes come from `cuts`. */
function feed(parser: FrameParser, stream: Uint8Array, cuts: readonly number[]): void {
  let at = 0
  for (const cut of cuts) {
    parser.push(stream.subarray(at, at + cut))
    at = Math.min(stream.length, at + cut)
  }
  parser.push(stream.subarray(at))
}

const plain = (frame: ControlFrame) =>
  JSON.stringify(frame, (_key, value) => (value instanceof Uint8Array ? [...value] : value))

describe('frames', () => {
  it('come back as they were, however the stream is cut', () => {
    fc.assert(
      fc.property(
        fc.array(frames, { maxLength: 6 }),
        fc.array(fc.integer({ min: 1, max: 40 }), { maxLength: 30 }),
        (sent, cuts) => {
          const { parser, seen } = collect()
          feed(parser, Buffer.concat(sent.map(encodeFrame)), cuts)
          assert.deepEqual(seen.frames.map(plain), sent.map(plain))
          assert.equal(parser.idle, true)
        }
      )
    )
  })

  it('carry chunk payload between control frames', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 1, maxLength: 500 }),
        u32,
        fc.array(fc.integer({ min: 1, max: 60 }), { maxLength: 20 }),
        (payload, channel, cuts) => {
          const { parser, seen } = collect()
          const have = encodeFrame({ type: 'have', channel, indexes: [1] })
          const head = new Uint8Array(CHUNK_FRAME_HEADER_BYTES)
          writeChunkHeader(head, { channel, index: 7, offset: 9 }, payload.length)
          feed(parser, Buffer.concat([have, head, payload, have]), cuts)
          assert.equal(seen.frames.length, 2)
          assert.deepEqual(
            seen.chunks.map((chunk) => ({ ...chunk, payload: [...chunk.payload] })),
            [{ channel, index: 7, offset: 9, payload: [...payload] }]
          )
        }
      )
    )
  })

  it('that are cut short are not reported', () => {
    fc.assert(
      fc.property(frames, fc.double({ min: 0, max: 0.999, noNaN: true }), (frame, part) => {
        const { parser, seen } = collect()
        const stream = encodeFrame(frame)
        parser.push(stream.subarray(0, Math.floor(stream.length * part)))
        assert.equal(seen.frames.length, 0)
      })
    )
  })
})

describe('hostile bytes', () => {
  it('throw nothing but WireError', () => {
    fc.assert(
      fc.property(fc.array(bytes(60), { maxLength: 5 }), (pieces) => {
        const { parser } = collect()
        try {
          for (const piece of pieces) parser.push(piece)
        } catch (error) {
          assert.ok(error instanceof WireError, String(error))
        }
      }),
      { numRuns: 500 }
    )
  })

  it('in a well-framed body throw nothing but WireError', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 15 }), bytes(100), (type, body) => {
        try {
          decodeFrame(type, body)
        } catch (error) {
          assert.ok(error instanceof WireError, String(error))
        }
      }),
      { numRuns: 1000 }
    )
  })

  const header = (length: number, type: number) => {
    const head = Buffer.alloc(FRAME_HEADER_BYTES)
    head.writeUInt32BE(length, 0)
    head.writeUInt8(type, 4)
    return head
  }

  it('with a length beyond the limit are refused before anything is allocated', () => {
    for (const [length, type] of [
      [2 ** 32 - 1, FRAME_TYPES.have],
      [MAX_CONTROL_BYTES + 2, FRAME_TYPES.bitfield],
      [CHUNK_HEADER_BYTES + MAX_PIECE_BYTES + 2, FRAME_TYPES.chunk],
      [0, FRAME_TYPES.have],
      [1 + CHUNK_HEADER_BYTES, FRAME_TYPES.chunk],
      [1, 0]
    ] as const) {
      const { parser } = collect()
      assert.throws(() => parser.push(header(length, type)), WireError, `length ${length}, type ${type}`)
    }
  })

  it('with more chunk numbers than allowed are refused', () => {
    const many = encodeFrame({ type: 'ask', channel: 1, indexes: new Array(MAX_INDEXES + 1).fill(0) })
    assert.throws(() => collect().parser.push(many), WireError)
  })

  it('after a complete body are refused', () => {
    const frame = encodeFrame({ type: 'leave', channel: 1 })
    assert.throws(
      () => decodeFrame(FRAME_TYPES.leave, Buffer.concat([frame.subarray(FRAME_HEADER_BYTES), Buffer.of(0)])),
      WireError
    )
  })
})
