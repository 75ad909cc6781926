import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import fc from 'fast-check'
import { type BoardOutput, PLAIN_INTERVAL_MS, ProgressBoard, REDRAW_INTERVAL_MS } from '../src/progress/board.ts'
import type { ProgressItem } from '../src/progress/item.ts'
import { RATE_WINDOW_MS, RateMeter } from '../src/progress/rate-meter.ts'
import { renderBars, renderLine } from '../src/progress/render.ts'
import { formatBytes, formatSeconds, formatShare } from '../src/progress/units.ts'

const HALF: ProgressItem = {
  label: 'layer abc',
  state: 'running',
  doneBytes: 50e6,
  totalBytes: 100e6,
  bytesPerSecond: 84.2e6,
  peerShare: 0.72,
  peers: 5
}

const item = fc.record<ProgressItem>({
  label: fc.string({ maxLength: 60 }),
  state: fc.constantFrom('waiting', 'running', 'done', 'failed'),
  doneBytes: fc.nat(),
  totalBytes: fc.nat(),
  bytesPerSecond: fc.float({ min: 0, noNaN: true, noDefaultInfinity: true }),
  peerShare: fc.float({ min: 0, max: 1, noNaN: true }),
  peers: fc.nat({ max: 1000 })
})

describe('bars', () => {
  it('show how far, how fast, from whom', () => {
    const started: ProgressItem = {
      label: 'config',
      state: 'done',
      doneBytes: 900,
      totalBytes: 900,
      bytesPerSecond: 4500
    }
    assert.deepEqual(renderBars([HALF, started], { columns: 100, rows: 24, unicode: false }), [
      'layer abc  ###########...........   50%   50.0 MB of 100.0 MB   84.2 MB/s   72% from peers  5 peers',
      'config     ######################  done     900 B    4.5 kB/s'
    ])
    assert.equal(renderLine(HALF), 'layer abc  50%  50.0 MB of 100.0 MB  84.2 MB/s  72% from peers  5 peers')
  })

  it('give way to the figures on a narrow screen', () => {
    const [line] = renderBars([HALF], { columns: 50, rows: 24, unicode: true })
    assert.equal(line, 'layer abc   50%   50.0 MB of 100.0 MB   84.2 MB/s')
  })

  it('are never wider or higher than the screen, whatever is on it', () => {
    const screen = fc.record({
      columns: fc.integer({ min: 1, max: 200 }),
      rows: fc.integer({ min: 1, max: 50 }),
      unicode: fc.boolean()
    })
    fc.assert(
      fc.property(fc.array(item, { maxLength: 60 }), screen, (items, size) => {
        const lines = renderBars(items, size)
        assert.ok(lines.length <= Math.max(1, size.rows - 2), 'rows')
        for (const line of lines) {
          assert.ok(line.length <= Math.max(1, size.columns - 1), 'columns')
          assert.doesNotMatch(line, /\p{Cc}/u, 'control characters')
        }
      })
    )
  })

  it('give room to what is under way, and count the rest', () => {
    const items = Array.from({ length: 10 }, (_, index): ProgressItem => {
      return {
        label: `layer-${index}`,
        state: index === 7 ? 'running' : 'done',
        doneBytes: 1,
        totalBytes: 1,
        bytesPerSecond: 0
      }
    })
    const lines = renderBars(items, { columns: 80, rows: 5, unicode: true })
    assert.equal(lines.length, 3)
    assert.ok(lines.some((line) => line.startsWith('layer-7')))
    assert.equal(lines.at(-1), 'and 8 more; 9 of 10 done')
  })

  it('say all only when it is all', () => {
    assert.equal(formatShare(0.999), '99%')
    assert.equal(formatShare(1), '100%')
    const nearly = renderLine({ ...HALF, doneBytes: 99_999_999 })
    assert.match(nearly, /99%/)
  })
})

describe('units', () => {
  it('are for people', () => {
    for (const [bytes, text] of [
      [0, '0 B'],
      [999, '999 B'],
      [126_595_440, '126.6 MB'],
      [999_960, '1.0 MB']
    ] as const) {
      assert.equal(formatBytes(bytes), text)
    }
    for (const [seconds, text] of [
      [0.42, '0.4 s'],
      [59.97, '1m 00s'],
      [7620, '2h 07m'],
      [356_400, '4d 3h']
    ] as const) {
      assert.equal(formatSeconds(seconds), text)
    }
  })
})

describe('a rate', () => {
  it('is what came in the window', () => {
    const meter = new RateMeter()
    meter.note(0, 0)
    meter.note(500, 1000)
    assert.equal(meter.rate(1000), 500)
    assert.equal(meter.rate(2000), 250)
    meter.note(500, 2000 + RATE_WINDOW_MS)
    assert.equal(meter.rate(2000 + RATE_WINDOW_MS), 0)
  })

  it('needs little memory', () => {
    const meter = new RateMeter()
    for (let now = 0; now < 100; now++) meter.note(now, now)
    assert.equal(meter.rate(99), 1000)
  })
})

/** A board with a clock that the test moves. */
function setUp(output: Partial<BoardOutput>) {
  const written: string[] = []
  let now = 0
  let task: (() => void) | undefined
  let interval = 0
  const board = new ProgressBoard({
    output: { write: (text) => written.push(text), ...output },
    unicode: false,
    now: () => now,
    every(ms, run) {
      interval = ms
      task = run
      return () => {
        task = undefined
      }
    }
  })
  let next: number | undefined
  const pass = (ms: number): void => {
    const end = now + ms
    for (next ??= now + interval; next <= end && task !== undefined; next += interval) {
      now = next
      task()
    }
    now = end
    if (task === undefined) next = undefined
  }
  return { board, written, pass, ticking: () => task !== undefined }
}

describe('a board in a pipe', () => {
  it('prints an item at most every two seconds, and once at its end', () => {
    const { board, written, pass } = setUp({})
    const bar = board.add('blob', 1000)
    for (let second = 0; second < 10; second++) {
      bar.advance(10)
      pass(PLAIN_INTERVAL_MS / 2)
      pass(PLAIN_INTERVAL_MS / 2)
    }
    const during = written.length
    assert.ok(during >= 1 && during <= 10, `${during} lines`)
    bar.finish('done')
    assert.equal(written.length, during + 1)
    assert.match(written.at(-1) ?? '', /^blob {2}done {2}100 B/)
    for (const text of written) assert.ok(!text.includes('\u001b'))
  })

  it('is silent about what waits', () => {
    const { board, written, pass } = setUp({})
    board.add('later', 10)
    pass(10 * PLAIN_INTERVAL_MS)
    assert.equal(written.length, 0)
  })
})

describe('a board on a terminal', () => {
  const terminal = { isTTY: true, columns: 80, rows: 24 }

  it('draws ten times a second at most, over what it drew before', () => {
    const { board, written, pass } = setUp(terminal)
    const bar = board.add('blob', 1000)
    board.add('other', 10)
    for (let step = 0; step < 100; step++) bar.advance(1)
    assert.equal(written.length, 0)
    pass(REDRAW_INTERVAL_MS)
    pass(REDRAW_INTERVAL_MS)
    assert.equal(written.length, 2)
    assert.ok(written[1]?.startsWith('\u001b[2A\r\u001b[J'))
  })

  it('prints messages above the bars', () => {
    const { board, written, pass } = setUp(terminal)
    board.add('blob', 1000)
    pass(REDRAW_INTERVAL_MS)
    board.print('a message')
    assert.deepEqual(written.slice(1, 3), ['\u001b[1A\r\u001b[J', 'a message\n'])
    assert.match(written[3] ?? '', /^blob/)
  })

  it('leaves the bars standing when they are settled, and stops', () => {
    const { board, written, pass, ticking } = setUp(terminal)
    const bar = board.add('blob', 10)
    bar.advance(10)
    bar.finish('done')
    board.settle()
    assert.match(written.at(-1) ?? '', /blob .*done/)
    assert.equal(ticking(), false)
    const before = written.length
    pass(10 * REDRAW_INTERVAL_MS)
    assert.equal(written.length, before)
    board.add('next', 1)
    pass(REDRAW_INTERVAL_MS)
    assert.ok(!(written.at(-1) ?? '').startsWith('\u001b'), 'it is drawn over nothing')
  })
})
