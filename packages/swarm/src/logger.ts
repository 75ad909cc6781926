/**
 * What our packages ask of a logger: structured data first, then the sentence. A pino logger fits as it is.
 */
export interface Logger {
  debug(data: object, message: string): void
  info(data: object, message: string): void
  warn(data: object, message: string): void
  error(data: object, message: string): void
  child(bindings: Record<string, unknown>): Logger
}

/** A logger that says nothing: for tests and for callers that do not care. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
  child: () => silentLogger
}
