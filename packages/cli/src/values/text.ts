import { notA, type ValueParser } from './value-parser.ts'

/** A path of the file system, as it is. */
function pathParser(placeholder: string): ValueParser<string> {
  return {
    placeholder,
    parse(text) {
      if (text === '' || text.includes('\0')) throw notA('a path', text, 'the path of a file or folder')
      return text
    }
  }
}

export const DIRECTORY = pathParser('DIR')
export const FILE = pathParser('FILE')

const MAX_NAME_CHARACTERS = 63

/** A short name for people and metrics, such as a zone: letters, digits and `._-`. */
export const NAME: ValueParser<string> = {
  placeholder: 'NAME',
  parse(text) {
    if (!/^[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/i.test(text) || text.length > MAX_NAME_CHARACTERS) {
      throw notA('a name', text, `at most ${MAX_NAME_CHARACTERS} letters, digits, dots, dashes and underscores`)
    }
    return text
  }
}

/** `true` or `false`, for switches in the environment and in the file. */
export const SWITCH: ValueParser<boolean> = {
  placeholder: '',
  parse(text) {
    if (text === 'true' || text === '1') return true
    if (text === 'false' || text === '0') return false
    throw notA('a yes or no', text, 'true or false')
  }
}

/** Any text, for what is read later. */
export function anyText(placeholder: string): ValueParser<string> {
  return { placeholder, parse: (text) => text }
}
