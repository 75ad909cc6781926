import { type ChartTexts, colour, FRAME, px, type SeriesKey, svgPage, text, yOf } from './svg-frame.ts'
import { ticks } from './ticks.ts'

/** Bars that stand together. */
export interface BarGroup {
  readonly label: string
  /** One for each series, in their order; undefined where there is none. */
  readonly values: readonly (number | undefined)[]
}

/** How much of a group's width is left free. */
const GAP = 0.25

/** Draws groups of bars, each with its value. */
export function barChart(texts: ChartTexts, series: readonly SeriesKey[], groups: readonly BarGroup[]): string {
  const known = groups.flatMap((group) => group.values.filter((value) => value !== undefined))
  const yTicks = ticks(Math.max(...known))
  const most = yTicks.at(-1) ?? 1
  const groupWidth = (FRAME.right - FRAME.left) / Math.max(1, groups.length)
  const width = (groupWidth * (1 - GAP)) / Math.max(1, series.length)
  const drawing = groups.flatMap((group, place) => {
    const left = FRAME.left + groupWidth * (place + GAP / 2)
    return [
      text(left + (groupWidth * (1 - GAP)) / 2, FRAME.bottom + 20, group.label, { anchor: 'middle' }),
      ...group.values.flatMap((value, index) => {
        if (value === undefined) return []
        const y = yOf(value, most)
        const x = left + index * width
        return [
          `<rect x="${px(x + 1)}" y="${px(y)}" width="${px(width - 2)}" height="${px(FRAME.bottom - y)}" fill="${colour(series[index]?.place ?? index)}"/>`,
          text(x + width / 2, y - 4, shortNumber(value), { anchor: 'middle', size: 10 })
        ]
      })
    ]
  })
  return svgPage(texts, yTicks, series, drawing)
}

function shortNumber(value: number): string {
  return value >= 10 ? value.toFixed(0) : value >= 1 ? value.toFixed(1) : value.toFixed(2)
}
