import { type Option, type OptionTable, variableOf } from './option.ts'

/** What the help of a command is made from. */
export interface HelpSubject {
  readonly usage: string
  readonly summary: string
  /** Longer text between the summary and the options. */
  readonly details?: string
  readonly options: OptionTable
}

const HELP_MIN_COLUMNS = 60
const HELP_MAX_COLUMNS = 110
const INDENT = 28

/** The help of one command, ended by a line break. */
export function formatHelp(subject: HelpSubject, columns: number): string {
  const width = Math.min(HELP_MAX_COLUMNS, Math.max(HELP_MIN_COLUMNS, columns))
  const rows = Object.entries(subject.options).map(([name, option]) =>
    row(flagText(name, option), helpOf(option), width)
  )
  return [
    `Usage: ${subject.usage}`,
    '',
    ...wrap(subject.summary, width),
    ...(subject.details === undefined ? [] : ['', ...wrap(subject.details, width)]),
    '',
    'Options:',
    ...rows.flat(),
    ...row('-h, --help', 'show this', width),
    '',
    ...wrap(example(subject.options), width),
    ''
  ].join('\n')
}

/** Rows of two columns, the second wrapped and indented: the list of commands is made of them too. */
export function row(left: string, right: string, width: number): string[] {
  const lines = wrap(right, width - INDENT)
  const head = `  ${left}`
  const pad = ' '.repeat(INDENT)
  if (head.length >= INDENT - 1) return [head, ...lines.map((line) => pad + line)]
  return lines.map((line, index) => (index === 0 ? head.padEnd(INDENT) : pad) + line)
}

function flagText(name: string, option: Option<unknown>): string {
  return option.kind === 'switch' ? `--${name}` : `--${name} ${option.parser.placeholder}`
}

function helpOf(option: Option<unknown>): string {
  const notes: string[] = []
  if (option.required) notes.push('must be given')
  if (option.kind === 'list') notes.push('may be given more than once')
  if (option.defaultText !== undefined) notes.push(`default ${option.defaultText}`)
  return notes.length === 0 ? option.help : `${option.help} (${notes.join('; ')})`
}

function example(options: OptionTable): string {
  const name = Object.keys(options)[0] ?? 'config'
  const variable = variableOf(name)
  return `Every option is also an environment variable (--${name} is ${variable}) and a key of the file given with --config (${name}). Flags win over the environment, the environment over the file.`
}

function wrap(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  return [...lines, line]
}
