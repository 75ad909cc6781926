import { StoreClosedError, StoreFullError } from '@shoal/content'
import { type ErrorEntry, errorEnvelope, OciError } from '@shoal/oci'

/** What a client is told of an error. */
export interface ErrorAnswer {
  readonly status: number
  /** One of the specification's codes, or one of ours where it has none: `STORE_FULL`, `UNAVAILABLE`, `INTERNAL`. */
  readonly code: string
  readonly message: string
  readonly detail?: unknown
  /** Whether the fault is ours, so that the log has to tell the cause. */
  readonly internal: boolean
}

/**
 * What a client is told of anything thrown while it was served. The inner life of the registry stays inside: for a
 * fault of ours the client gets the number under which the log has the cause.
 */
export function errorAnswer(error: unknown, requestId: string): ErrorAnswer {
  if (error instanceof OciError) {
    const { code, detail, message, status } = error
    return { status, code, message, ...(detail === undefined ? {} : { detail }), internal: false }
  }
  if (error instanceof StoreFullError) {
    return { status: 507, code: 'STORE_FULL', message: 'the registry has no disk space left', internal: true }
  }
  if (error instanceof StoreClosedError) {
    return { status: 503, code: 'UNAVAILABLE', message: 'the registry is stopping: try again', internal: false }
  }
  const status = clientErrorStatus(error)
  if (status !== undefined && error instanceof Error) {
    return { status, code: 'UNSUPPORTED', message: error.message, internal: false }
  }
  const message = `the registry failed to answer; its log has the cause under request ${requestId}`
  return { status: 500, code: 'INTERNAL', message, internal: true }
}

/** The body for the distribution API (OCI distribution, "Error Codes"). */
export function errorBody(error: unknown, answer: ErrorAnswer): { errors: ErrorEntry[] } {
  if (error instanceof OciError) return errorEnvelope(error)
  return { errors: [{ code: answer.code, message: answer.message }] }
}

/** The status of an error by which the HTTP framework refuses a request. */
function clientErrorStatus(error: unknown): number | undefined {
  if (!(error instanceof Error)) return undefined
  const status: unknown = Reflect.get(error, 'statusCode')
  return typeof status === 'number' && status >= 400 && status < 500 ? status : undefined
}
