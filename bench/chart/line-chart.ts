import { type ChartTexts, colour, FRAME, px, type SeriesKey, svgPage, text, yOf } from './svg-frame.ts'
import { formatTick, ticks } from './ticks.ts'

/** A line of points. */
export interface LineSeries extends SeriesKey {
  readonly points: readonly { readonly x: number; readonly y: number }[]
}

/** Draws lines over values of x that double: they stand at equal distances, however far they are from each other. */
export function lineChart(
  texts: ChartTexts,
  series: readonly LineSeries[],
  reference?: { readonly y: number; readonly label: string }
): string {
  const xs = [...new Set(series.flatMap((line) => line.points.map((point) => point.x)))].toSorted((a, b) => a - b)
  const highest = Math.max(reference?.y ?? 0, ...series.flatMap((line) => line.points.map((point) => point.y)))
  const yTicks = ticks(highest)
  const most = yTicks.at(-1) ?? 1
  const step = (FRAME.right - FRAME.left) / Math.max(1, xs.length)
  const xOf = (x: number) => FRAME.left + step * (xs.indexOf(x) + 0.5)
  const drawing = [
    ...xs.map((x) => text(xOf(x), FRAME.bottom + 20, formatTick(x), { anchor: 'middle' })),
    ...(reference === undefined ? [] : referenceLine(reference, most)),
    ...series.flatMap((line) => {
      const places = line.points.map((point) => `${px(xOf(point.x))},${px(yOf(point.y, most))}`)
      return [
        `<polyline points="${places.join(' ')}" fill="none" stroke="${colour(line.place)}" stroke-width="2"/>`,
        ...line.points.map(
          (point) =>
            `<circle cx="${px(xOf(point.x))}" cy="${px(yOf(point.y, most))}" r="3.5" fill="${colour(line.place)}"><title>${point.y.toFixed(2)}</title></circle>`
        )
      ]
    })
  ]
  return svgPage(texts, yTicks, series, drawing)
}

function referenceLine(reference: { readonly y: number; readonly label: string }, most: number): string[] {
  const y = yOf(reference.y, most)
  return [
    `<line x1="${FRAME.left}" y1="${px(y)}" x2="${FRAME.right}" y2="${px(y)}" stroke="#24292f" stroke-dasharray="5 4"/>`,
    text(FRAME.right - 4, y - 5, reference.label, { anchor: 'end', size: 11 })
  ]
}
