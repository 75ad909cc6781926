import { notA, ValueError, type ValueParser } from './value-parser.ts'

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  b: 1,
  kb: 1e3,
  mb: 1e6,
  gb: 1e9,
  tb: 1e12,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
  tib: 2 ** 40
}

/**
 * Reads a size in bytes: `64MiB`, `1.5GiB`, `200MB`, `4096`. Decimal and binary units; case does not matter.
 * A part of a byte is rounded.
 *
 * @throws ValueError
 */
export function parseSize(text: string): number {
  return bytes(text, text, 'a size', 'a number with a unit, such as 64MiB or 1.5GiB')
}

/**
 * Reads a rate in bytes per second: `200MB/s`; the `/s` may be left out.
 *
 * @throws ValueError
 */
export function parseRate(text: string): number {
  return bytes(text.replace(/\/s$/i, ''), text, 'a rate', 'a size per second, such as 200MB/s')
}

function bytes(text: string, whole: string, what: string, give: string): number {
  const match = /^(\d{1,16}(?:\.\d{1,9})?) ?([kmgt]?i?b|)$/i.exec(text.trim())
  const unit = UNITS[match?.[2]?.toLowerCase() ?? '?']
  if (match === null || unit === undefined) throw notA(what, whole, give)
  const value = Math.round(Number(match[1]) * unit)
  if (!Number.isSafeInteger(value)) throw new ValueError(`"${whole}" is more than can be counted; give ${give}`)
  return value
}

export const SIZE: ValueParser<number> = { placeholder: 'SIZE', parse: parseSize }
export const RATE: ValueParser<number> = { placeholder: 'SIZE/s', parse: parseRate }
