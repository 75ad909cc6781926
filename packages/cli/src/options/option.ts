import { SWITCH } from '../values/text.ts'
import type { ValueParser } from '../values/value-parser.ts'

/** What one option is; flag, variable, key of the file and line of the help are all made from it. */
export interface Option<T> {
  /** `switch`: a flag without a value; `list`: may be given more than once; `structure`: a list or mapping, elsewhere JSON. */
  readonly kind: 'single' | 'list' | 'structure' | 'switch'
  readonly parser: ValueParser<unknown>
  readonly help: string
  /** Read by the parser when no source gives a value. */
  readonly defaultText: string | undefined
  readonly required: boolean
  /** The value must not be repeated in messages. */
  readonly secret: boolean
  /** The value of the option from the parsed values, of which a `single` and a `switch` have at most one. */
  collect(values: readonly unknown[]): T
}

/** The options of a command by their names, in the order of its help. */
export type OptionTable = Readonly<Record<string, Option<unknown>>>

/** The values that a table of options gives. */
export type OptionValues<T extends OptionTable> = {
  readonly [K in keyof T]: T[K] extends Option<infer V> ? V : never
}

interface OptionExtras {
  readonly secret?: boolean
}

/** An option that may be left out: its value is undefined then. */
export function optional<T>(parser: ValueParser<T>, help: string, extras: OptionExtras = {}): Option<T | undefined> {
  return { ...shape(parser, help, extras), collect: (values) => values[0] as T | undefined }
}

/** An option with a default, written as a user would write it. */
export function defaulted<T>(parser: ValueParser<T>, defaultText: string, help: string): Option<T> {
  return { ...shape(parser, help, {}), defaultText, collect: (values) => values[0] as T }
}

/** An option that must be given. */
export function required<T>(parser: ValueParser<T>, help: string): Option<T> {
  return { ...shape(parser, help, {}), required: true, collect: (values) => values[0] as T }
}

/** An option that may be given any number of times: commas part its values in the environment. */
export function repeated<T>(parser: ValueParser<T>, help: string): Option<readonly T[]> {
  return { ...shape(parser, help, {}), kind: 'list', collect: (values) => values as readonly T[] }
}

/** An option whose value is a list or a mapping in the file; as a flag and in the environment it is the same as JSON. */
export function structure<T>(parser: ValueParser<T>, help: string): Option<T | undefined> {
  return { ...shape(parser, help, {}), kind: 'structure', collect: (values) => values[0] as T | undefined }
}

/** A flag without a value. */
export function toggle(help: string): Option<boolean> {
  return { ...shape(SWITCH, help, {}), kind: 'switch', collect: (values) => values[0] === true }
}

function shape(parser: ValueParser<unknown>, help: string, extras: OptionExtras) {
  const secret = extras.secret ?? false
  return { kind: 'single' as const, parser, help, defaultText: undefined, required: false, secret }
}

/** The environment variable of an option: `p2p-listen` is `SHOAL_P2P_LISTEN`. */
export function variableOf(name: string): string {
  return `SHOAL_${name.toUpperCase().replaceAll('-', '_')}`
}
