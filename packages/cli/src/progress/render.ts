import type { ProgressItem } from './item.ts'
import { formatBytes, formatRate, formatShare } from './units.ts'

/** The terminal that bars are drawn for. */
export interface Screen {
  readonly columns: number
  readonly rows: number
  /** Whether it can show more than ASCII. */
  readonly unicode: boolean
}

const LABEL_MAX_COLUMNS = 28
const BAR_MIN_COLUMNS = 8
const BAR_MAX_COLUMNS = 32
const GAP_COLUMNS = 2
/** Widest text of a size: `999.9 MB`. */
const BYTES_COLUMNS = 8
/** Rows that bars leave free at the bottom, for the line the cursor stands on. */
const SPARE_ROWS = 2

/**
 * The bars of all items, a line each, none wider than the screen. When they do not all fit in its rows, those under way
 * come first and a last line counts the rest.
 */
export function renderBars(items: readonly ProgressItem[], screen: Screen): string[] {
  // A line that fills the last column makes some terminals wrap.
  const width = Math.max(1, screen.columns - 1)
  const height = Math.max(1, screen.rows - SPARE_ROWS)
  const shown = items.length <= height ? items : mostActive(items, height - 1)
  const labelWidth = Math.min(LABEL_MAX_COLUMNS, Math.max(0, ...shown.map((item) => printable(item.label).length)))
  const texts = shown.map((item) => figures(item, true).join('  '))
  // All bars are equally long, as long as the longest of the texts behind them allows.
  const room = width - labelWidth - Math.max(0, ...texts.map((text) => text.length)) - 2 * GAP_COLUMNS
  const bar = { columns: Math.min(BAR_MAX_COLUMNS, room), unicode: screen.unicode }
  const lines = shown.map((item, index) => {
    const label = cut(printable(item.label), labelWidth).padEnd(labelWidth)
    return cut([label, ...renderBar(item, bar), texts[index] ?? ''].join(' '.repeat(GAP_COLUMNS)), width)
  })
  if (shown.length < items.length) lines.push(cut(restLine(items, shown), width))
  return lines
}

/** One item as a line of text, for logs and pipes. */
export function renderLine(item: ProgressItem): string {
  return [printable(item.label), ...figures(item, false)].join('  ')
}

function renderBar(item: ProgressItem, bar: { columns: number; unicode: boolean }): string[] {
  const share = item.state === 'waiting' ? 0 : shareDone(item)
  if (bar.columns < BAR_MIN_COLUMNS || share === undefined) return []
  const filled = Math.floor(bar.columns * share)
  return [(bar.unicode ? '█' : '#').repeat(filled) + (bar.unicode ? '░' : '.').repeat(bar.columns - filled)]
}

/** @param aligned whether figures keep their columns from drawing to drawing */
function figures(item: ProgressItem, aligned: boolean): string[] {
  const fit = (text: string, columns: number): string => (aligned ? text.padStart(columns) : text)
  if (item.state === 'waiting') return ['waiting']
  const share = shareDone(item)
  const words: string[] = []
  if (item.state === 'failed') words.push('failed')
  else if (item.state === 'done') words.push('done')
  else if (share !== undefined) words.push(fit(formatShare(share), 4))
  if (item.note !== undefined) return [...words, printable(item.note)]
  const total = item.totalBytes
  const of = item.state === 'done' || total === undefined ? '' : ` of ${formatBytes(total)}`
  words.push(fit(formatBytes(item.doneBytes), BYTES_COLUMNS) + of)
  if (item.bytesPerSecond > 0) words.push(fit(formatRate(item.bytesPerSecond), BYTES_COLUMNS + 2))
  if (item.peerShare !== undefined) words.push(`${fit(formatShare(item.peerShare), 4)} from peers`)
  if (item.peers !== undefined && item.state === 'running') {
    words.push(`${item.peers} ${item.peers === 1 ? 'peer' : 'peers'}`)
  }
  return words
}

function shareDone(item: ProgressItem): number | undefined {
  if (item.totalBytes === undefined) return undefined
  if (item.totalBytes === 0) return item.state === 'done' ? 1 : 0
  return Math.min(1, item.doneBytes / item.totalBytes)
}

const RANK = { running: 0, failed: 1, waiting: 2, done: 3 } as const

function mostActive(items: readonly ProgressItem[], room: number): readonly ProgressItem[] {
  const chosen = new Set([...items].sort((a, b) => RANK[a.state] - RANK[b.state]).slice(0, Math.max(0, room)))
  return items.filter((item) => chosen.has(item))
}

function restLine(items: readonly ProgressItem[], shown: readonly ProgressItem[]): string {
  const done = items.filter((item) => item.state === 'done').length
  return `and ${items.length - shown.length} more; ${done} of ${items.length} done`
}

/** Text without control characters: what comes from the network must not steer the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, '?')
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : text.slice(0, Math.max(0, width))
}
