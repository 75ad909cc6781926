import { notA, ValueError, type ValueParser } from './value-parser.ts'

const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1e3, m: 60e3, h: 3600e3, d: 86400e3 }
/** Longest duration: what a timer of Node can wait, about 24 days. */
export const MAX_DURATION_MS = 2 ** 31 - 1

/**
 * Reads a duration in milliseconds: `300ms`, `2.5s`, `1h30m`.
 *
 * @throws ValueError
 */
export function parseDuration(text: string): number {
  const give = 'a number with a unit, such as 300ms, 30s or 1h30m'
  if (!/^(?:\d{1,12}(?:\.\d{1,6})?(?:ms|s|m|h|d))+$/.test(text)) throw notA('a duration', text, give)
  let total = 0
  for (const [, number, unit] of text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)) {
    total += Number(number) * (UNIT_MS[unit ?? ''] ?? Number.NaN)
  }
  total = Math.round(total)
  if (total > MAX_DURATION_MS) throw new ValueError(`"${text}" is too long; give at most 24d`)
  return total
}

export const DURATION: ValueParser<number> = { placeholder: 'DURATION', parse: parseDuration }
