import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { ChunkBuffers } from '@shoal/content'
import { Assembly } from '../src/blob/assembly.ts'
import { WireError } from '../src/wire.ts'

const PIECE = 128 * 1024

function begin() {
  const buffers = new ChunkBuffers()
  const assembly = new Assembly()
  assembly.begin(3, buffers.take(2 * PIECE))
  return { buffers, assembly }
}

describe('the pieces of a chunk', () => {
  it('are put together in their order, and the chunk is handed over with the last', () => {
    const { buffers, assembly } = begin()
    const first = assembly.place(3, 0, PIECE)
    first.target.fill(1)
    assert.equal(first.filled(), undefined)
    assert.throws(() => assembly.place(3, 0, PIECE), WireError)
    const second = assembly.place(3, PIECE, PIECE)
    second.target.fill(2)
    const chunk = second.filled()
    assert.ok(chunk)
    assert.deepEqual([chunk.bytes[0], chunk.bytes[PIECE]], [1, 2])
    chunk.release()
    assert.equal(buffers.usedBytes, 0)
  })

  it('are not taken from two lanes at once: what is checked must not be written to any more', () => {
    const { buffers, assembly } = begin()
    const one = assembly.place(3, 0, PIECE)
    assert.throws(() => assembly.place(3, 0, PIECE), WireError)
    one.abandoned()
    assert.equal(assembly.place(3, 0, PIECE).filled(), undefined)
    const last = assembly.place(3, PIECE, PIECE)
    assert.throws(() => assembly.place(3, PIECE, PIECE), WireError)
    last.filled()?.release()
    assert.equal(buffers.usedBytes, 0)
  })

  it('keep their memory while one is being written, though the chunk is dropped', () => {
    const { buffers, assembly } = begin()
    const piece = assembly.place(3, 0, PIECE)
    assert.equal(assembly.drop(3), true)
    assert.notEqual(buffers.usedBytes, 0)
    piece.target.fill(1)
    assert.equal(piece.filled(), undefined)
    assert.equal(buffers.usedBytes, 0)
  })
})
