import { OciError, type OciErrorCode } from '@shoal/oci'
import { isRefusal } from '@shoal/swarm'

/** An upstream is not asked at the moment: it did not answer, or asked to be left alone. */
export class UpstreamDownError extends Error {
  override readonly name = 'UpstreamDownError'
  readonly code = 'UPSTREAM_DOWN'

  constructor(host: string) {
    super(`${host} does not answer at the moment`)
  }
}

/** An upstream gave something else than what its digest says, more than once. */
export class UpstreamWrongError extends Error {
  override readonly name = 'UpstreamWrongError'
  readonly code = 'UPSTREAM_WRONG'

  constructor(host: string, digest: string, options?: ErrorOptions) {
    super(`${host} gives wrong bytes for ${digest}`, options)
  }
}

/**
 * What a client is told when an upstream does not give what was asked for and it is not in the cache. Where the upstream
 * will not have it from us, 404: a runtime then asks the upstream itself, with its own credentials. Otherwise 502.
 */
export function upstreamAnswer(host: string, code: OciErrorCode, what: string, error: unknown): OciError {
  if (isRefusal(error) && error.code !== 'MANIFEST_INVALID') {
    return new OciError(code, `${host} does not let this registry have ${what}: ${error.message}`, {
      status: 404,
      cause: error
    })
  }
  const why = error instanceof Error ? error.message : 'it failed'
  return new OciError(code, `${what} is not cached, and ${host} cannot give it: ${why}; try again later`, {
    status: 502,
    cause: error
  })
}
