import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Bitfield } from '../src/index.ts'

const sets = fc
  .nat(200)
  .chain((length) => fc.tuple(fc.constant(length), fc.uniqueArray(fc.nat(Math.max(0, length - 1)))))
  .map(([length, members]) => ({ length, members: length === 0 ? [] : members }))

function fieldOf(length: number, members: readonly number[]): Bitfield {
  const field = new Bitfield(length)
  for (const index of members) assert.equal(field.set(index), true)
  return field
}

test('a bitfield is the set that was put into it', () => {
  fc.assert(
    fc.property(sets, ({ length, members }) => {
      const field = fieldOf(length, members)
      const all = Array.from({ length }, (_, i) => i)
      const missing = all.filter((i) => !members.includes(i))
      assert.equal(field.count, members.length)
      assert.equal(field.complete, missing.length === 0)
      assert.deepEqual([...field.missing()], missing)
      for (const i of all) {
        assert.equal(field.has(i), members.includes(i))
        assert.equal(
          field.firstMissing(i),
          missing.find((m) => m >= i)
        )
      }
      for (const i of members) assert.equal(field.set(i), false)
      for (const i of missing) assert.equal(field.clear(i), false)
      for (const i of members) assert.equal(field.clear(i), true)
      assert.equal(field.count, 0)
    })
  )
})

test('its bytes give the same set again', () => {
  fc.assert(
    fc.property(sets, ({ length, members }) => {
      const field = fieldOf(length, members)
      const again = Bitfield.from(field.bytes, length)
      assert.equal(again.count, field.count)
      assert.deepEqual(again.bytes, field.bytes)
      assert.deepEqual([...again.missing()], [...field.missing()])
    })
  )
})

test('the first chunk is the highest bit of the first byte', () => {
  assert.deepEqual(fieldOf(10, [0, 9]).bytes, Uint8Array.of(0x80, 0x40))
})

test('the full bitfield has all and no bit more', () => {
  for (let length = 0; length <= 33; length++) {
    const field = Bitfield.full(length)
    assert.equal(field.complete, true)
    assert.equal(field.count, length)
    assert.equal(field.firstMissing(), undefined)
    assert.deepEqual(Bitfield.from(field.bytes, length).bytes, field.bytes)
  }
})

test('bytes of the wrong length, or with a bit past the end, are refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), fc.nat(160), (bytes, length) => {
      const spare = bytes.length * 8 - length
      const good = spare >= 0 && spare < 8 && ((bytes.at(-1) ?? 0) & ((1 << spare) - 1)) === 0
      if (good) assert.deepEqual(Bitfield.from(bytes, length).bytes, bytes)
      else assert.throws(() => Bitfield.from(bytes, length), RangeError)
    }),
    { numRuns: 1000 }
  )
})

test('numbers out of bounds are refused', () => {
  const field = new Bitfield(9)
  for (const index of [-1, 9, 15, 1.5, Number.NaN]) {
    assert.throws(() => field.has(index), RangeError)
    assert.throws(() => field.set(index), RangeError)
    assert.throws(() => field.clear(index), RangeError)
  }
  for (const length of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
    assert.throws(() => new Bitfield(length), RangeError)
  }
})

test('a clone and the bytes are copies', () => {
  const field = fieldOf(9, [1])
  const clone = field.clone()
  clone.set(2)
  field.bytes.fill(0xff)
  assert.equal(field.has(2), false)
  assert.equal(field.count, 1)
  assert.equal(clone.count, 2)
})
