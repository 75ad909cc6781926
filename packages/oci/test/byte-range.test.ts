import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { formatContentRange, parseByteRange, parseContentRange } from '../src/index.ts'

describe('a byte range', () => {
  const SIZE = 4000
  const cases: [string | undefined, ReturnType<typeof parseByteRange>][] = [
    [undefined, 'whole'],
    ['bytes=500-1499', { start: 500, end: 1500 }],
    ['bytes=500-', { start: 500, end: SIZE }],
    ['bytes=-500', { start: 3500, end: SIZE }],
    ['bytes=-9000', { start: 0, end: SIZE }],
    ['bytes=2000-5000', { start: 2000, end: SIZE }],
    ['bytes=0-0', { start: 0, end: 1 }],
    ['bytes=500-0', 'unsatisfiable'],
    ['bytes=5000-10000', 'unsatisfiable'],
    ['bytes=4000-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=0-1,5-6', 'whole'],
    ['bytes=-', 'whole'],
    ['items=0-1', 'whole'],
    ['bytes=a-b', 'whole']
  ]
  for (const [header, range] of cases)
    it(`${header} is read`, () => assert.deepEqual(parseByteRange(header, SIZE), range))

  it('is always inside the blob', () => {
    const number = fc.oneof(fc.constant(''), fc.nat({ max: 30 }).map(String))
    fc.assert(
      fc.property(number, number, fc.nat({ max: 20 }), (first, last, size) => {
        const range = parseByteRange(`bytes=${first}-${last}`, size)
        if (typeof range === 'string') return
        assert.ok(range.start >= 0 && range.start < range.end && range.end <= size, JSON.stringify(range))
        assert.deepEqual(parseContentRange(formatContentRange(range, size)), { range, size })
      })
    )
  })

  it('of an answer is read back, whatever a server says', () => {
    assert.deepEqual(parseContentRange('bytes 0-9/*'), { range: { start: 0, end: 10 }, size: undefined })
    for (const header of [undefined, '', 'bytes 9-0/10', 'bytes */10', 'bytes 0-9']) {
      assert.equal(parseContentRange(header), undefined, header)
    }
  })
})
