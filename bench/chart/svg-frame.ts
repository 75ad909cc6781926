import { formatTick } from './ticks.ts'

/** What every chart says about itself. */
export interface ChartTexts {
  readonly title: string
  /** What was held fixed, in a smaller line below the title. */
  readonly subtitle: string
  readonly xLabel: string
  readonly yLabel: string
}

/** What the legend says of a series. Its place among all series of a report gives its colour, so that all charts agree. */
export interface SeriesKey {
  readonly name: string
  readonly place: number
}

/** Where the drawing goes, in pixels. */
export interface Frame {
  readonly left: number
  readonly right: number
  readonly top: number
  readonly bottom: number
}

const WIDTH = 760
const HEIGHT = 420
/** The drawing; to its right stands the legend. */
export const FRAME: Frame = { left: 70, right: 590, top: 66, bottom: 360 }

const INK = '#24292f'
const FAINT = '#57606a'
const GRID = '#d8dee4'
/** Told apart also by who does not see colours well (Okabe and Ito's palette). */
const COLOURS = ['#666666', '#e69f00', '#0072b2', '#009e73', '#cc79a7', '#d55e00', '#56b4e9']

/** The colour of the nth series. */
export function colour(index: number): string {
  return COLOURS[index % COLOURS.length] ?? INK
}

/** The vertical place of a value on an axis that ends at `most`. */
export function yOf(value: number, most: number): number {
  return FRAME.bottom - (value / most) * (FRAME.bottom - FRAME.top)
}

/** Puts a drawing into a page with title, axes, grid and legend. */
export function svgPage(
  texts: ChartTexts,
  yTicks: readonly number[],
  series: readonly SeriesKey[],
  drawing: readonly string[]
): string {
  const most = yTicks.at(-1) ?? 1
  const middle = (FRAME.left + FRAME.right) / 2
  const grid = yTicks.flatMap((tick) => {
    const y = yOf(tick, most)
    return [
      `<line x1="${FRAME.left}" y1="${px(y)}" x2="${FRAME.right}" y2="${px(y)}" stroke="${tick === 0 ? INK : GRID}"/>`,
      text(FRAME.left - 8, y + 4, formatTick(tick), { anchor: 'end' })
    ]
  })
  const legend = series.flatMap(({ name, place }, index) => {
    const y = FRAME.top + 10 + index * 22
    return [
      `<rect x="${FRAME.right + 18}" y="${y - 9}" width="12" height="12" rx="2" fill="${colour(place)}"/>`,
      text(FRAME.right + 36, y + 2, name)
    ]
  })
  const yMiddle = (FRAME.top + FRAME.bottom) / 2
  return `${[
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" font-family="system-ui, sans-serif" font-size="12" fill="${INK}">`,
    `<title>${escapeXml(texts.title)}</title>`,
    `<rect width="${WIDTH}" height="${HEIGHT}" fill="#ffffff"/>`,
    `<text x="${FRAME.left}" y="26" font-size="16" font-weight="600">${escapeXml(texts.title)}</text>`,
    `<text x="${FRAME.left}" y="46" fill="${FAINT}">${escapeXml(texts.subtitle)}</text>`,
    ...grid,
    ...drawing,
    text(middle, HEIGHT - 14, texts.xLabel, { anchor: 'middle' }),
    `<text transform="translate(18 ${yMiddle}) rotate(-90)" text-anchor="middle">${escapeXml(texts.yLabel)}</text>`,
    ...legend,
    '</svg>'
  ].join('\n')}\n`
}

/** A piece of text. */
export function text(x: number, y: number, content: string, options: { anchor?: string; size?: number } = {}): string {
  const { anchor = 'start', size = 12 } = options
  return `<text x="${px(x)}" y="${px(y)}" text-anchor="${anchor}" font-size="${size}">${escapeXml(content)}</text>`
}

/** A coordinate. */
export function px(value: number): string {
  return String(Math.round(value * 10) / 10)
}

function escapeXml(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
