import { notA } from './value-parser.ts'

/** A value of the configuration file as an error message shows it. */
export function jsonText(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? String(value))
}

/** @throws ValueError when it is not a whole number from 1 to `max` */
export function wholeNumber(value: unknown, max: number): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= max) return value
  throw notA('such a number', jsonText(value), `a whole number from 1 to ${max}`)
}

/** @throws ValueError when it is neither true nor false */
export function yesOrNo(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  throw notA('a yes or no', jsonText(value), 'true or false')
}

/** @throws ValueError when it is no text, or an empty one */
export function someText(value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw notA('a text', jsonText(value), 'a text that is not empty')
}
