/** Statuses that go with the error codes of OCI Distribution 1.1 ("Error Codes"). */
const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 400,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429
} as const

/** Codes of OCI Distribution 1.1, table "Error Codes". */
export type OciErrorCode = keyof typeof STATUS

/** What an {@link OciError} may carry beside code and message. */
export interface OciErrorOptions {
  /** HTTP status, where it is not the code's usual one. */
  readonly status?: number
  /** For the client: anything that JSON can say. */
  readonly detail?: unknown
  readonly cause?: unknown
  /** For how long a registry asked not to be asked again, milliseconds. */
  readonly retryAfterMs?: number | undefined
}

/** An error that OCI Distribution has a code for: a registry answers with it, a client is answered with it. */
export class OciError extends Error {
  readonly code: OciErrorCode
  readonly status: number
  readonly detail: unknown
  readonly retryAfterMs: number | undefined

  constructor(code: OciErrorCode, message: string, options: OciErrorOptions = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.name = 'OciError'
    this.code = code
    this.status = options.status ?? STATUS[code]
    this.detail = options.detail
    this.retryAfterMs = options.retryAfterMs
  }
}

/** One entry of an error envelope. */
export interface ErrorEntry {
  readonly code: string
  readonly message: string
  readonly detail?: unknown
}

/** The body that tells a client of an error. */
export function errorEnvelope(error: OciError): { errors: ErrorEntry[] } {
  const { code, message, detail } = error
  return { errors: [detail === undefined ? { code, message } : { code, message, detail }] }
}

/** Reads an error body as far as it makes sense: registries and proxies answer with all sorts of things. */
export function parseErrorEnvelope(text: string): ErrorEntry[] {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return []
  }
  const errors = isRecord(body) && Array.isArray(body.errors) ? body.errors : []
  return errors.flatMap((entry: unknown) => {
    if (!isRecord(entry) || typeof entry.code !== 'string') return []
    return [{ code: entry.code, message: typeof entry.message === 'string' ? entry.message : '', detail: entry.detail }]
  })
}

/** Whether a code that came over the wire is one of the specification's. */
export function isOciErrorCode(code: string): code is OciErrorCode {
  return Object.hasOwn(STATUS, code)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}
