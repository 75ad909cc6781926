import { notA, type ValueParser } from './value-parser.ts'

/** A whole number from `min` to `max`, both included. */
export function count(min: number, max: number): ValueParser<number> {
  return {
    placeholder: 'N',
    parse(text) {
      const value = Number(text)
      if (!/^\d{1,15}$/.test(text) || value < min || value > max) {
        throw notA('such a number', text, `a whole number from ${min} to ${max}`)
      }
      return value
    }
  }
}
