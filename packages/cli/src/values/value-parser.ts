/** Turns the text of a flag, a variable or a key of the file into a value. */
export interface ValueParser<T> {
  /** The word for such a value in the help, in capitals: `SIZE`. */
  readonly placeholder: string
  /** @throws ValueError when the text is not such a value */
  parse(text: string): T
}

/** A text that is not the value it should be. The message says what was wrong and what would be right. */
export class ValueError extends Error {
  readonly code = 'VALUE_INVALID'

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'ValueError'
  }
}

/** Longest piece of a bad value that an error message repeats. */
const QUOTED_MAX_CHARACTERS = 80

/** The error for a value of the wrong form: `"12xb" is not a size; give …`. */
export function notA(what: string, text: string, give: string): ValueError {
  return new ValueError(`${quote(text)} is not ${what}; give ${give}`)
}

/** A value as an error message shows it: on one line, escaped, and not longer than a line. */
export function quote(text: string): string {
  const cut = text.length > QUOTED_MAX_CHARACTERS ? `${text.slice(0, QUOTED_MAX_CHARACTERS)}…` : text
  return JSON.stringify(cut)
}
