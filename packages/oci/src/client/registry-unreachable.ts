/** A registry gave no usable answer: no connection, a time-out, or a broken one. */
export class RegistryUnreachableError extends Error {
  readonly code = 'REGISTRY_UNREACHABLE'
  /** `host[:port]` */
  readonly host: string
  /** For how long it asked not to be asked again, milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(host: string, why: string, options?: ErrorOptions & { readonly retryAfterMs?: number | undefined }) {
    super(`registry ${host} cannot be reached: ${why}; check its address and that it runs`, options)
    this.name = 'RegistryUnreachableError'
    this.host = host
    this.retryAfterMs = options?.retryAfterMs
  }
}
