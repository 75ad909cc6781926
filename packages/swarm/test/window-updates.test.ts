import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { MAX_SPARED_STREAMS, WINDOW_UPDATE_BYTES, WindowUpdates } from '../src/node/window-updates.ts'

const DATA = 0
const WINDOW_UPDATE = 1
const SYN = 1
const FIN = 4

/** A Yamux header: version, type, flags, stream, length. */
function header(type: number, flags: number, stream: number, length: number): Buffer {
  const bytes = Buffer.alloc(12)
  bytes[1] = type
  bytes.writeUInt16BE(flags, 2)
  bytes.writeUInt32BE(stream, 4)
  bytes.writeUInt32BE(length, 8)
  return bytes
}

const read = (frame: Uint8Array) => {
  const bytes = Buffer.from(frame)
  return { type: bytes[1], flags: bytes.readUInt16BE(2), stream: bytes.readUInt32BE(4), length: bytes.readUInt32BE(8) }
}

describe('window updates of Yamux', () => {
  it('never keep back as much as a stream needs, and lose nothing', () => {
    const updates = fc.array(
      fc.record({ stream: fc.integer({ min: 1, max: 3 }), bytes: fc.integer({ min: 1, max: 70_000 }) })
    )
    fc.assert(
      fc.property(updates, (freed) => {
        const spared = new WindowUpdates()
        const kept = new Map<number, number>()
        for (const { stream, bytes } of freed) {
          kept.set(stream, (kept.get(stream) ?? 0) + bytes)
          for (const frame of spared.pass(header(WINDOW_UPDATE, 0, stream, bytes))) {
            const told = read(frame)
            assert.deepEqual([told.type, told.flags], [WINDOW_UPDATE, 0])
            kept.set(told.stream, (kept.get(told.stream) ?? 0) - told.length)
          }
          const left = kept.get(stream) ?? 0
          assert.ok(left >= 0 && left < WINDOW_UPDATE_BYTES, `stream ${stream} lacks ${left} bytes`)
        }
      })
    )
  })

  it('leave every other frame as it is', () => {
    const spared = new WindowUpdates()
    for (const frame of [header(DATA, 0, 1, 5), header(WINDOW_UPDATE, SYN, 1, 0), header(WINDOW_UPDATE, FIN, 1, 0)]) {
      const [passed, ...more] = spared.pass(frame)
      assert.equal(passed, frame)
      assert.deepEqual(more, [])
    }
  })

  it('forget a stream that ends, and tell all when there are many', () => {
    const spared = new WindowUpdates()
    assert.deepEqual(spared.pass(header(WINDOW_UPDATE, 0, 1, 10)), [])
    spared.pass(header(DATA, FIN, 1, 0))
    let told: Uint8Array[] = []
    for (let stream = 2; stream <= MAX_SPARED_STREAMS + 2; stream++) {
      assert.deepEqual(told, [])
      told = spared.pass(header(WINDOW_UPDATE, 0, stream, stream))
    }
    assert.deepEqual(
      told.map((frame) => read(frame).stream),
      Array.from({ length: MAX_SPARED_STREAMS + 1 }, (_, i) => i + 2)
    )
  })
})
