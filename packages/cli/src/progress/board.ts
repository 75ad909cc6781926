import type { ProgressItem } from './item.ts'
import { RateMeter } from './rate-meter.ts'
import { renderBars, renderLine } from './render.ts'

/** Shortest time between two drawings: ten a second. */
export const REDRAW_INTERVAL_MS = 100
/** Shortest time between two plain lines of one item. */
export const PLAIN_INTERVAL_MS = 2000

/** Where a board draws. `isTTY` decides between bars and plain lines. */
export interface BoardOutput {
  write(text: string): unknown
  readonly isTTY?: boolean | undefined
  readonly columns?: number | undefined
  readonly rows?: number | undefined
}

export interface BoardInit {
  readonly output: BoardOutput
  readonly unicode: boolean
  /** Milliseconds on a clock that never goes back. */
  readonly now: () => number
  /** Calls `task` every `ms`. @returns a function that ends it */
  readonly every: (ms: number, task: () => void) => () => void
}

/** What the owner of an item tells of it. */
export interface ProgressHandle {
  /** More bytes are here. */
  advance(bytes: number): void
  update(change: Partial<Pick<ProgressItem, 'totalBytes' | 'peerShare' | 'peers' | 'note' | 'state'>>): void
  /** The end; a plain board prints its final line. */
  finish(state: 'done' | 'failed', note?: string): void
}

interface Row {
  item: ProgressItem
  readonly meter: RateMeter
  startedAt: number | undefined
  lastLineAt: number | undefined
}

/**
 * Several progress bars on a terminal, or plain lines in a pipe. Draws at most every {@link REDRAW_INTERVAL_MS};
 * in a pipe an item has a line at most every {@link PLAIN_INTERVAL_MS} and one when it ends.
 */
export class ProgressBoard {
  readonly #init: BoardInit
  readonly #bars: boolean
  #rows: Row[] = []
  #drawn = 0
  #stop: (() => void) | undefined

  constructor(init: BoardInit) {
    this.#init = init
    this.#bars = init.output.isTTY === true
  }

  /** Adds an item below the others. */
  add(label: string, totalBytes?: number): ProgressHandle {
    const item: ProgressItem = { label, state: 'waiting', doneBytes: 0, bytesPerSecond: 0 }
    const row: Row = {
      item: totalBytes === undefined ? item : { ...item, totalBytes },
      meter: new RateMeter(),
      startedAt: undefined,
      lastLineAt: undefined
    }
    this.#rows.push(row)
    this.#stop ??= this.#init.every(this.#bars ? REDRAW_INTERVAL_MS : PLAIN_INTERVAL_MS, () => this.#tick())
    return {
      advance: (bytes) => this.#move(row, row.item.doneBytes + bytes),
      update: (change) => {
        if (change.state === 'running') this.#begin(row)
        row.item = { ...row.item, ...change }
      },
      finish: (state, note) => this.#finish(row, state, note)
    }
  }

  /** Prints text above the bars: log lines, messages. */
  print(text: string): void {
    this.#erase()
    this.#init.output.write(text.endsWith('\n') ? text : `${text}\n`)
    if (this.#bars) this.#draw()
  }

  /** Draws the items a last time and leaves them standing; what is added later begins below. */
  settle(): void {
    this.#stop?.()
    this.#stop = undefined
    if (this.#bars) this.#draw()
    this.#drawn = 0
    this.#rows = []
  }

  #begin(row: Row): void {
    row.startedAt ??= this.#init.now()
  }

  #move(row: Row, doneBytes: number): void {
    this.#begin(row)
    row.item = { ...row.item, state: 'running', doneBytes }
    row.meter.note(doneBytes, this.#init.now())
  }

  #finish(row: Row, state: 'done' | 'failed', note: string | undefined): void {
    const now = this.#init.now()
    const seconds = (now - (row.startedAt ?? now)) / 1000
    // What is finished shows its mean, not the rate of its last moments.
    const bytesPerSecond = seconds > 0 ? row.item.doneBytes / seconds : 0
    row.item = { ...row.item, state, bytesPerSecond, ...(note === undefined ? {} : { note }) }
    if (!this.#bars) this.#init.output.write(`${renderLine(row.item)}\n`)
  }

  #tick(): void {
    if (this.#bars) this.#draw()
    else this.#printLines()
  }

  #printLines(): void {
    const now = this.#init.now()
    for (const row of this.#rows) {
      if (row.item.state !== 'running') continue
      if (row.lastLineAt !== undefined && now - row.lastLineAt < PLAIN_INTERVAL_MS) continue
      row.lastLineAt = now
      this.#init.output.write(`${renderLine(this.#current(row, now))}\n`)
    }
  }

  #draw(): void {
    const now = this.#init.now()
    const { columns = 80, rows = 24 } = this.#init.output
    const lines = renderBars(
      this.#rows.map((row) => this.#current(row, now)),
      { columns, rows, unicode: this.#init.unicode }
    )
    this.#init.output.write(this.#eraseCodes() + lines.map((line) => `${line}\n`).join(''))
    this.#drawn = lines.length
  }

  #current(row: Row, now: number): ProgressItem {
    return row.item.state === 'running' ? { ...row.item, bytesPerSecond: row.meter.rate(now) } : row.item
  }

  #erase(): void {
    const codes = this.#eraseCodes()
    if (codes !== '') this.#init.output.write(codes)
    this.#drawn = 0
  }

  /** Up to the first drawn line, then clear to the end of the screen (ECMA-48: CUU, ED). */
  #eraseCodes(): string {
    return this.#drawn === 0 ? '' : `\u001b[${this.#drawn}A\r\u001b[J`
  }
}
