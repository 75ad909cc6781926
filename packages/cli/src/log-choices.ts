/** How the log can be written. */
export const LOG_FORMATS = ['json', 'pretty'] as const
export type LogFormat = (typeof LOG_FORMATS)[number]
/** The least severe events to log. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const
