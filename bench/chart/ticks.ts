const STEPS = [1, 2, 2.5, 5, 10]

/** Round numbers from 0 to the first that is not below `most`; about `count` of them. */
export function ticks(most: number, count = 5): number[] {
  if (!(most > 0) || !Number.isFinite(most)) return [0, 1]
  const rough = most / count
  const power = 10 ** Math.floor(Math.log10(rough))
  const step = (STEPS.find((candidate) => candidate * power >= rough * (1 - 1e-9)) ?? 10) * power
  const last = Math.ceil((most / step) * (1 - 1e-9))
  // By multiplication and rounding: sums of 0.1 are not what they look like.
  return Array.from({ length: last + 1 }, (_, index) => Number((index * step).toPrecision(12)))
}

/** A number as an axis shows it. */
export function formatTick(value: number): string {
  return value >= 1000 ? value.toLocaleString('en') : String(value)
}
