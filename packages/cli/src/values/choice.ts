import { notA, type ValueParser } from './value-parser.ts'

/** One of a few words. */
export function choice<const T extends string>(...words: readonly T[]): ValueParser<T> {
  return {
    placeholder: words.join('|'),
    parse(text) {
      const word = words.find((candidate) => candidate === text)
      if (word === undefined) throw notA('a choice here', text, words.join(' or '))
      return word
    }
  }
}
