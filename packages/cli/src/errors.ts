/** The command could not do its work. The message names the cause and the way out; the process exits with 1. */
export class CommandError extends Error {
  readonly code: string = 'COMMAND_FAILED'
  readonly exitCode: number = 1

  constructor(message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandError'
  }
}

/** A flag, an environment variable or a key of the file is wrong; the process exits with 2. */
export class ConfigurationError extends CommandError {
  override readonly code = 'CONFIGURATION_INVALID'
  override readonly exitCode = 2
  /** Where the value came from, as the user wrote it: `--listen`, `SHOAL_LISTEN`, or `shoal.yaml: listen`. */
  readonly key: string

  constructor(key: string, reason: string, options?: ErrorOptions) {
    super(`${key}: ${reason}`, options)
    this.name = 'ConfigurationError'
    this.key = key
  }
}

/** The code of a system error (`ENOENT`, say), if `error` has one. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/**
 * One line for an error of any kind: its message, then the messages of its causes that say something new. The message
 * of a {@link CommandError} says all there is to say. Never a stack trace, never a line break.
 */
export function describeError(error: unknown): string {
  const parts: string[] = []
  let current: unknown = error
  for (let depth = 0; depth < 4 && current !== undefined && current !== null; depth++) {
    const text = messageOf(current)
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text)
    current = current instanceof Error && !(current instanceof CommandError) ? current.cause : undefined
  }
  return parts.join(': ').replaceAll(/\s+/g, ' ')
}

function messageOf(error: unknown): string {
  // A refused connection to a name with several addresses comes as an AggregateError without a message.
  if (error instanceof AggregateError && error.message === '') return error.errors.map(messageOf).join(', ')
  if (error instanceof Error) return error.message === '' ? (errorCode(error) ?? error.name) : error.message
  return String(error)
}
